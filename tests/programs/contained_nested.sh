# contained_nested.sh COMMAND...: runs it as contained.sh does, beside a task in a mount namespace below,
# that has files in memory of its own.
exec sh "$(dirname "$0")/contained.sh" sh -ec '
    mkfifo /dev/never
    unshare --mount sh -ec "
        mount -t tmpfs own /dev/shm
        echo own > /dev/shm/file
        : > /dev/ready; read line < /dev/never" &
    until test -e /dev/ready; do sleep 0.01; done
    exec "$@"
' sh "$@"
