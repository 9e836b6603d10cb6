# contained.sh COMMAND...: runs it as a container does, the first task of pid, mount and network
# namespaces of its own, with a root without the host's mounts and with files in memory, some of
# them hidden by others.
exec unshare --pid --fork --net --mount --propagation private sh -ec '
    for point in $(cut -d " " -f 5 /proc/self/mountinfo | sort -r); do
        case "$point" in
        / | /proc) ;;
        *) umount -l "$point" 2> /dev/null || : ;;
        esac
    done
    umount -l /proc
    mount -t proc proc /proc
    mount -t tmpfs -o mode=755 dev /dev
    mknod -m 666 /dev/null c 1 3
    mkdir /dev/shm
    mount -t tmpfs below /dev/shm
    echo hidden > /dev/shm/file
    mount -t tmpfs above /dev/shm
    echo seen > /dev/shm/file
    ip link set lo up
    exec setsid "$@" < /dev/null > /dev/null 2>&1
' sh "$@"
