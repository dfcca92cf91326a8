# dial PATH: joins standard input and output to a unix socket. Linux on x86-64, no library.
# The child copies input to the socket. The parent copies the socket to output and ends with the socket.
# Exit status: 0, or the errno that kept it from connecting.
.intel_syntax noprefix
.globl _start
.set SIZE, 65536

_start:
    mov eax, -22                    # EINVAL
    cmp qword ptr [rsp], 2          # argc
    jne fail
    mov rsi, [rsp + 16]             # argv[1]
    sub rsp, 112                    # struct sockaddr_un
    mov word ptr [rsp], 1           # AF_UNIX
    lea rdi, [rsp + 2]
    mov ecx, 108
next:
    lodsb
    stosb
    test al, al
    jz named
    dec ecx
    jnz next
    mov eax, -36                    # ENAMETOOLONG
    jmp fail
named:
    mov eax, 41                     # socket(AF_UNIX, SOCK_STREAM, 0)
    mov edi, 1
    mov esi, 1
    xor edx, edx
    syscall
    test eax, eax
    js fail
    mov ebx, eax
    mov eax, 42                     # connect(socket, address, 110)
    mov edi, ebx
    mov rsi, rsp
    mov edx, 110
    syscall
    test eax, eax
    js fail
    sub rsp, SIZE
    mov eax, 57                     # fork()
    syscall
    test eax, eax
    js fail
    jz child
    mov ebp, eax
    mov r12d, ebx                   # from the socket
    mov r13d, 1                     # to output
    call pump
    mov eax, 62                     # kill(child, SIGKILL)
    mov edi, ebp
    mov esi, 9
    syscall
    xor eax, eax
    jmp fail
child:
    xor r12d, r12d                  # from input
    mov r13d, ebx                   # to the socket
    call pump
    mov eax, 48                     # shutdown(socket, SHUT_WR)
    mov edi, ebx
    mov esi, 1
    syscall
    xor eax, eax
fail:
    neg eax
    mov edi, eax
    mov eax, 60                     # exit
    syscall

pump:                               # copies r12 to r13 until one of them ends
    xor eax, eax                    # read
    mov edi, r12d
    lea rsi, [rsp + 8]
    mov edx, SIZE
    syscall
    test rax, rax
    jle done
    lea r14, [rsp + 8]
    mov r15, rax
rest:
    mov eax, 1                      # write
    mov edi, r13d
    mov rsi, r14
    mov rdx, r15
    syscall
    test rax, rax
    jle done
    add r14, rax
    sub r15, rax
    jnz rest
    jmp pump
done:
    ret
