// A command on buildlets: chooses the buildlets when the line is parsed, and runs once for each of several.
import { type Argument, Command, Option } from 'commander';
import { GomoteError } from '../errors.ts';
import type { CommandEntry } from './command-table.ts';
import type { Context } from './context.ts';
import type { FanOutOptions } from './fan-out/fan-out.ts';
import { optionOf } from './values.ts';

type Action = (...given: never[]) => unknown;

type Define = (command: Command, context: Context) => void;

/** The keys of options for one buildlet. */
const forOne = ['statusJson', 'tty'];

/** Stores the action, which is called with other arguments than those typed. */
export class BuildletCommand extends Command {
  #act: Action = () => undefined;
  #needed: readonly boolean[] = [];

  /** The option that makes it work without a buildlet. */
  #noneWith: string | undefined;

  override action(act: Action): this {
    this.#act = act;
    return this;
  }

  choosing(entry: CommandEntry, define: Define, context: Context): this {
    const [name] = this.registeredArguments;
    if (name !== undefined) name.required = false;
    this.#needed = this.registeredArguments.map(({ required }) => required);
    this.#noneWith = entry.noneWith;
    if (entry.buildlets === 'each') this.#addFanOutOptions();
    super.action(() => this.#onChosen(entry, define, context));
    return this;
  }

  /** Lets the choice of buildlets decide whether the number of arguments is right. */
  relax(): void {
    this.usage(`[options] ${this.registeredArguments.map(shownArgument).join(' ')}`);
    for (const argument of this.registeredArguments) argument.required = false;
    this.allowExcessArguments();
  }

  #addFanOutOptions(): void {
    const isTaken = this.options.some(({ short }) => short === '-o');
    const options = [
      new Option('--collapse', 'print equal outputs once, with the names, when all are over'),
      new Option('--fail-fast', 'end the others as soon as it has failed on one'),
      new Option(
        `${isTaken ? '' : '-o, '}--output-dir <dir>`,
        'write NAME.stdout and NAME.stderr there instead of printing them',
      ),
    ];
    for (const option of options) this.addOption(option.helpGroup('On several buildlets:'));
  }

  async #onChosen(entry: CommandEntry, define: Define, context: Context): Promise<void> {
    const { chooseBuildlets } = await import('./which/choose.ts');
    const most = this.registeredArguments.at(-1)?.variadic ? Infinity : this.#needed.length - 1;
    const chosen = await chooseBuildlets(this.args, most, context);
    const { names, rest } = chosen ?? { names: [], rest: this.args };
    const [name = '', ...others] = names;
    const options = this.opts<FanOutOptions>();
    const isSingle = others.length === 0 && options.outputDir === undefined;
    if (isSingle || names.length === 0 || entry.buildlets === 'list') {
      const first = names.length > 0 ? [names.join(',')] : [];
      await this.actOn([...first, ...rest]);
      return;
    }
    const key = forOne.find((one) => Object.hasOwn(this.opts(), one));
    const single = entry.buildlets === 'one' ? this.name() : key && optionOf(key);
    if (single !== undefined) {
      const message = `${single} is for one buildlet, not for ${names.length}`;
      throw new GomoteError('ERR_USAGE', message, { hint: `name one: ${names.join(', ')}` });
    }
    // A usage error applies to all buildlets.
    this.#placed([name, ...rest]);
    const { fanOut } = await import('./fan-out/fan-out.ts');
    context.exitCode = await fanOut(
      names,
      async (one, itsContext) => {
        const command = new BuildletCommand(entry.name);
        define(command, itsContext);
        await command.actOn([one, ...rest], this.opts());
      },
      options,
      context,
    );
  }

  async actOn(words: readonly string[], options: object = this.opts()): Promise<void> {
    await (this.#act as (...given: unknown[]) => unknown)(...this.#placed(words), options, this);
  }

  /** Assigns the arguments to their places. Fails as commander does when there are too few or too many. */
  #placed(words: readonly string[]): unknown[] {
    const { registeredArguments: places } = this;
    const mayLack = this.#noneWith !== undefined && Object.hasOwn(this.opts(), this.#noneWith);
    const missing = places.find(
      (_, i) => ((i === 0 && !mayLack) || this.#needed[i]) && words[i] === undefined,
    );
    if (missing !== undefined) {
      const code = 'commander.missingArgument';
      this.error(`error: missing required argument '${missing.name()}'`, { code });
    }
    if (words.length > places.length && places.at(-1)?.variadic !== true) {
      const [most, s] = [places.length, places.length === 1 ? '' : 's'];
      const counts = `Expected ${most} argument${s} but got ${words.length}.`;
      const code = 'commander.excessArguments';
      this.error(`error: too many arguments for '${this.name()}'. ${counts}`, { code });
    }
    return places.map((place, i) => {
      const last = words.slice(i);
      return place.variadic ? last : words[i];
    });
  }
}

function shownArgument(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}
