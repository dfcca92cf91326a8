// What the kernel refuses to commands in a sandbox, as a program of seccomp: the keyrings, which no namespace separates. A
// command would have those of the session in which its buildlet was started.

/** By the kernel's number of the architecture: the system calls add_key, request_key and keyctl. */
const keyCalls = new Map([
  [0xc000_003e, [248, 249, 250]], // x86-64
  [0x4000_0003, [286, 287, 288]], // i386
  [0xc000_00b7, [217, 218, 219]], // arm64
  [0x4000_0028, [309, 310, 311]], // arm
  [0xc000_00f3, [217, 218, 219]], // riscv64
]);

/** x32 marks its calls with this bit, and has the numbers of x86-64. */
const x32Bit = 0x4000_0000;

const load = 0x20;
const and = 0x54;
const ifEqual = 0x15;
const giveBack = 0x06;

const allowed = 0x7fff_0000;
/** ENOSYS: programs do without what the kernel does not have. */
const refused = 0x0005_0000 | 38;

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, value: number];

const callOffset = 0;
const architectureOffset = 4;

const rulesOf = ([architecture, calls]: [number, readonly number[]]): Instruction[] => {
  const rules: Instruction[] = [
    [load, 0, 0, callOffset],
    [and, 0, 0, ~x32Bit >>> 0],
    ...calls.map((call, i): Instruction => [ifEqual, calls.length - i, 0, call]),
    [giveBack, 0, 0, allowed],
    [giveBack, 0, 0, refused],
  ];
  return [[ifEqual, 0, rules.length, architecture], ...rules];
};

/** The program in the form of the kernel. */
export function seccompProgram(): Buffer {
  const instructions: Instruction[] = [
    [load, 0, 0, architectureOffset],
    ...[...keyCalls].flatMap(rulesOf),
    [giveBack, 0, 0, allowed],
  ];
  const words = new Uint32Array(instructions.length * 2);
  instructions.forEach(([code, ifTrue, ifFalse, value], i) => {
    const at = i * 8;
    new Uint16Array(words.buffer, at, 1)[0] = code;
    new Uint8Array(words.buffer, at + 2, 2).set([ifTrue, ifFalse]);
    words[i * 2 + 1] = value;
  });
  return Buffer.from(words.buffer);
}
