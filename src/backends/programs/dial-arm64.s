// dial PATH: joins standard input and output to a unix socket. Linux on arm64, no library.
// The child copies input to the socket. The parent copies the socket to output and ends with the socket.
// Exit status: 0, or the errno that kept it from connecting.
.globl _start
.equ SIZE, 65536

_start:
    mov x0, -22                     // EINVAL
    ldr x1, [sp]                    // argc
    cmp x1, 2
    b.ne fail
    ldr x1, [sp, 16]                // argv[1]
    sub sp, sp, 112                 // struct sockaddr_un
    mov w2, 1                       // AF_UNIX
    strh w2, [sp]
    add x2, sp, 2
    mov w3, 108
next:
    ldrb w4, [x1], 1
    strb w4, [x2], 1
    cbz w4, named
    subs w3, w3, 1
    b.ne next
    mov x0, -36                     // ENAMETOOLONG
    b fail
named:
    mov x8, 198                     // socket(AF_UNIX, SOCK_STREAM, 0)
    mov x0, 1
    mov x1, 1
    mov x2, 0
    svc 0
    tbnz x0, 63, fail
    mov x19, x0
    mov x8, 203                     // connect(socket, address, 110)
    mov x1, sp
    mov x2, 110
    svc 0
    tbnz x0, 63, fail
    sub sp, sp, SIZE
    mov x8, 220                     // clone(SIGCHLD)
    mov x0, 17
    mov x1, 0
    mov x2, 0
    mov x3, 0
    mov x4, 0
    svc 0
    tbnz x0, 63, fail
    cbz x0, child
    mov x20, x0
    mov x21, x19                    // from the socket
    mov x22, 1                      // to output
    bl pump
    mov x8, 129                     // kill(child, SIGKILL)
    mov x0, x20
    mov x1, 9
    svc 0
    mov x0, 0
    b fail
child:
    mov x21, 0                      // from input
    mov x22, x19                    // to the socket
    bl pump
    mov x8, 210                     // shutdown(socket, SHUT_WR)
    mov x0, x19
    mov x1, 1
    svc 0
    mov x0, 0
fail:
    neg x0, x0
    mov x8, 93                      // exit
    svc 0

pump:                               // copies x21 to x22 until one of them ends
    mov x8, 63                      // read
    mov x0, x21
    mov x1, sp
    mov x2, SIZE
    svc 0
    cmp x0, 0
    b.le done
    mov x23, sp
    mov x24, x0
rest:
    mov x8, 64                      // write
    mov x0, x22
    mov x1, x23
    mov x2, x24
    svc 0
    cmp x0, 0
    b.le done
    add x23, x23, x0
    subs x24, x24, x0
    b.ne rest
    b pump
done:
    ret
