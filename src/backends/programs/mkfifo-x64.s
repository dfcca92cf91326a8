# mkfifo -m 600 NAME...: makes FIFOs, for images that have no mkfifo. Linux on x86-64, no library.
# Exit status: 0, or the errno of the first that could not be made.
.intel_syntax noprefix
.globl _start

_start:
    lea rbx, [rsp + 32]             # argv[3]
next:
    mov rdi, [rbx]
    xor eax, eax
    test rdi, rdi
    jz exit
    mov eax, 133                    # mknod(name, S_IFIFO | 0600, 0)
    mov esi, 0x1180
    xor edx, edx
    syscall
    test eax, eax
    jnz exit
    add rbx, 8
    jmp next
exit:
    neg eax
    mov edi, eax
    mov eax, 60                     # exit
    syscall
