// Tracks the terminal modes that a remote program changes, to undo them when the program cannot:
// the alternate screen, a hidden cursor, mouse reports, bracketed paste, another keyboard protocol.

/** Private modes that are on by default: lines wrap, the cursor is visible. */
const setAtFirst = new Set(['7', '25']);

/** Mode changes after ESC; `rest` is an incomplete one at the end of a chunk. */
const sequences = [
  String.raw`\[\?(?<modes>[0-9;]+)(?<action>[hl])`,
  '(?<keypad>[=>])',
  String.raw`\[>4;?(?<keys>[0-9]?)m`,
  String.raw`\[(?<protocol>[<>])[0-9]*u`,
  String.raw`\[(?<region>[0-9]*;?[0-9]*)r`,
  String.raw`(?<rest>(?:\[[?<>]?[0-9;]{0,40})?)$`,
];
const esc = '\x1b';
const sequence = new RegExp(`${esc}(?:${sequences.join('|')})`, 'g');

export class ScreenModes {
  readonly #changed = new Map<string, 'h' | 'l'>();
  #keypad = false;
  #otherKeys = false;
  #protocols = 0;
  #region = false;
  #rest = '';

  push(output: Buffer): void {
    if (this.#rest === '' && !output.includes(0x1b)) return;
    const text = this.#rest + output.toString('latin1');
    this.#rest = '';
    for (const { groups = {} } of text.matchAll(sequence)) {
      const { modes, action, keypad, keys, protocol, region, rest } = groups;
      if (modes !== undefined) this.#setModes(modes.split(';'), action === 'h');
      else if (keypad !== undefined) this.#keypad = keypad === '=';
      else if (keys !== undefined) this.#otherKeys = keys !== '' && keys !== '0';
      else if (protocol !== undefined) this.#protocols += protocol === '>' ? 1 : -1;
      else if (region !== undefined) this.#region = region !== '';
      else if (rest !== undefined) this.#rest = esc + rest;
    }
  }

  #setModes(modes: string[], on: boolean): void {
    for (const mode of modes) {
      if (on === setAtFirst.has(mode)) this.#changed.delete(mode);
      else this.#changed.set(mode, on ? 'h' : 'l');
    }
  }

  /** The output that restores the terminal; empty when no mode is changed. */
  undo(): string {
    const modes = [...this.#changed].map(
      ([mode, now]) => `\x1b[?${mode}${now === 'h' ? 'l' : 'h'}`,
    );
    const text = [
      this.#protocols > 0 ? `\x1b[<${this.#protocols}u` : '',
      this.#otherKeys ? '\x1b[>4m' : '',
      this.#keypad ? '\x1b>' : '',
      this.#region ? '\x1b[r' : '',
      ...modes.reverse(),
    ].join('');
    return text === '' ? '' : `${text}\x1b[m`;
  }
}
