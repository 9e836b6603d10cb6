# contained_users.sh COMMAND REPORT...: runs it as a rootless container does, the first task of a
# user namespace of its own and of all others below it. What is mounted outside of that cannot be
# taken apart inside, so it is before.
exec unshare --mount --propagation private sh -ec '
    for point in $(cut -d " " -f 5 /proc/self/mountinfo | sort -r); do
        case "$point" in
        / | /proc) ;;
        *) umount -l "$point" 2> /dev/null || : ;;
        esac
    done
    umount -l /proc
    mount -t proc proc /proc
    exec unshare --user --map-root-user --pid --fork --net --mount --ipc --uts --cgroup sh -ec "
        mount -t proc proc /proc
        mount -t tmpfs -o mode=755,uid=0 dev /dev
        echo seen > /dev/file
        ip link set lo up
        exec < \"\$1\" > \"\$2.out\" 2>&1
        exec setsid \"\$@\"
    " sh "$@"
' sh "$@"
