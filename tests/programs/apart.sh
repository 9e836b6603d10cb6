# apart.sh COMMAND...: runs it as the first task of a pid namespace, and stays when it ends.
unshare --pid --fork setsid sh -c 'exec "$@" 2>&1' sh "$@" 2> /dev/null &
exec sleep 1000
