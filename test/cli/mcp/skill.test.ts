// SKILL.md, held to the commands.
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { Context } from '../../../src/cli/context.ts';
import { processInterrupts } from '../../../src/cli/interrupts.ts';
import { fullProgram } from '../../../src/cli/program.ts';
import { Collector } from '../../helpers/collect.ts';

it('SKILL.md names commands and options that exist', async () => {
  const text = readFileSync(new URL('../../../skills/gomote/SKILL.md', import.meta.url), 'utf8');
  expect(text).toMatch(/^---\nname: gomote\ndescription: .{50,1000}\n---\n/);
  const streams = { stdin: Readable.from([]), stdout: new Collector(), stderr: new Collector() };
  const context = new Context({ ...streams, environment: {} }, processInterrupts());
  const root = await fullProgram(context);
  const lines = [...text.matchAll(/gomote ([a-z]+)([^\n`)#]*)/g)].filter(([, name = '']) =>
    root.commands.some((command) => command.name() === name),
  );
  expect(lines.length).toBeGreaterThan(15);
  for (const [line, name, rest = ''] of lines) {
    const command = root.commands.find((one) => one.name() === name);
    const known = [...(command?.options ?? []), ...root.options].map(({ long }) => long);
    const [own = ''] = rest.split(' -- ');
    const used = own.match(/--[a-z-]+/g) ?? [];
    expect({ line, unknown: used.filter((option) => !known.includes(option)) }).toEqual({
      line,
      unknown: [],
    });
  }
});
