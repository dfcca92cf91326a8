// Escape sequences at the start of a line that control gomote rather than the remote command, such as `~.`, as in ssh.

export type EscapeCommand = 'end' | 'detach' | 'suspend' | 'help';

const tilde = 0x7e;
const ctrlZ = 0x1a;

const commands = new Map<number, EscapeCommand>([
  ['.'.charCodeAt(0), 'end'],
  ['d'.charCodeAt(0), 'detach'],
  [ctrlZ, 'suspend'],
  ['?'.charCodeAt(0), 'help'],
]);

/** The text that `~?` prints, with line ends for a raw terminal. */
export const escapeHelp: readonly string[] = [
  'at the start of a line:',
  '  ~.   end the command',
  '  ~d   detach: it continues without you',
  '  ~^Z  suspend gomote',
  '  ~?   this list',
  '  ~~   a ~',
];

export class EscapeKeys {
  #atLineStart = true;
  #afterTilde = false;

  /** Returns the input for the remote command, and the actions that the escape sequences request. */
  push(keys: Buffer): { rest: Buffer; asked: EscapeCommand[] } {
    const asked: EscapeCommand[] = [];
    const rest: number[] = [];
    for (const key of keys) {
      if (this.#afterTilde) {
        this.#afterTilde = false;
        const command = commands.get(key);
        if (command !== undefined) {
          asked.push(command);
          continue;
        }
        if (key !== tilde) rest.push(tilde);
      } else if (this.#atLineStart && key === tilde) {
        this.#afterTilde = true;
        continue;
      }
      this.#atLineStart = key === 0x0d || key === 0x0a;
      rest.push(key);
    }
    return { rest: Buffer.from(rest), asked };
  }
}
