# How a thread enters the parasite and how it leaves.
#
# The tracer sets, besides rip:
#   r12   the leave slot: an address in the target's own stack mapping that
#         holds the address of a signal restorer, with a complete rt_sigframe
#         behind it that unmaps this blob and goes home
#   r14   the exchange area, not yet writable
#   r15   eight bytes of the target's own for the two ends of the socketpair
#   rsp   the leave slot, too: nothing is pushed before there is a stack
#
# All signals are blocked; the frames at the leave slot give the mask back.

    .section .header, "ax"
    .globl parasite_header
parasite_header:
    .long daemon_entry - parasite_header

    .section .bootstrap, "ax"
daemon_entry:
    # socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, r15)
    movl $53, %eax
    movl $1, %edi
    movl $0x80005, %esi
    xorl %edx, %edx
    movq %r15, %r10
    syscall
    # The tracer holds this thread at the exit of that call and takes the
    # second end with pidfd_getfd. If it dies before, the close below drops the
    # last of it, and the daemon reads end-of-file at once.
    testl %eax, %eax
    jnz leave
    # Kept where no later use of r15's bytes reaches it.
    movl (%r15), %ebx
    # close(r15[1])
    movl $3, %eax
    movl 4(%r15), %edi
    syscall
    # mprotect(r14, EXCHANGE_LEN, PROT_READ | PROT_WRITE)
    movl $10, %eax
    movq %r14, %rdi
    movl ${EXCHANGE_LEN}, %esi
    movl $3, %edx
    syscall
    testl %eax, %eax
    jnz unable
    leaq {EXCHANGE_LEN}(%r14), %rsp
    movq %r14, %rdi
    movl %ebx, %esi
    call {daemon}
close_and_leave:
    # close(ebx)
    movl $3, %eax
    movl %ebx, %edi
    syscall
leave:
    movq %r12, %rsp
    ret

# Without an exchange area, every request is sent back, eight bytes that are no
# reply, until the tracer stops this thread or hangs up.
unable:
    # recvfrom(ebx, r15, 8, 0, NULL, NULL)
    movl $45, %eax
    movl %ebx, %edi
    movq %r15, %rsi
    movl $8, %edx
    xorl %r10d, %r10d
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    syscall
    testq %rax, %rax
    jle close_and_leave
    # sendto(ebx, r15, 8, MSG_NOSIGNAL, NULL, 0)
    movl $44, %eax
    movl $0x4000, %r10d
    syscall
    testq %rax, %rax
    jg unable
    jmp close_and_leave
