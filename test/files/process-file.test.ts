// What a process says of itself is read as far as it can be true, and no further.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readOfProcess } from '../../src/files/process-file.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasTool } from '../helpers/tools.ts';

/** Says that its arguments and its environment are 64 GiB of memory, which no program needs to have for that. */
const boaster = `
#define _GNU_SOURCE
#include <linux/prctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(void) {
  unsigned long long field[64] = { 0 };
  char text[8192] = { 0 };
  FILE *stat = fopen("/proc/self/stat", "r");
  fread(text, 1, sizeof text - 1, stat);
  int n = 3;
  for (char *word = strtok(strrchr(text, ')') + 2, " "); word && n < 60; word = strtok(0, " "))
    field[n++] = strtoull(word, 0, 10);
  unsigned long long size = 1ull << 36;
  char *big = mmap(0, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (big == MAP_FAILED) return 1;
  struct prctl_mm_map map = { 0 };
  map.start_code = field[26]; map.end_code = field[27]; map.start_stack = field[28];
  map.start_data = field[45]; map.end_data = field[46]; map.start_brk = field[47];
  map.brk = (unsigned long)sbrk(0);
  map.arg_start = map.env_start = (unsigned long)big;
  map.arg_end = map.env_end = (unsigned long)big + size;
  map.exe_fd = -1;
  if (prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0)) return 2;
  puts("ready");
  fflush(stdout);
  pause();
}`;

it.skipIf(process.platform !== 'linux')(
  'a file of a live process is returned completely',
  async () => {
    const words = Array.from({ length: 20_000 }, (_, i) => `word${i}`);
    const env = { LONG: 'x'.repeat(100_000), LAST: 'here' };
    const child = spawn('sh', ['-c', 'echo ready; read x', ...words], { env });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const told = await readOfProcess(child.pid ?? 0, 'cmdline');
    expect(String(told)).toBe(['sh', '-c', 'echo ready; read x', ...words, ''].join('\0'));
    expect(String(await readOfProcess(child.pid ?? 0, 'environ'))).toContain('\0LAST=here\0');
    expect(await readOfProcess(2 ** 30, 'environ')).toBeUndefined();
  },
);

it.skipIf(process.platform !== 'linux' || !hasTool('cc'))(
  'a file of a process that claims impossible sizes is read up to a limit',
  async () => {
    const program = join(temporaryDirectory(), 'boast');
    execFileSync('cc', ['-w', '-x', 'c', '-o', program, '-'], { input: boaster });
    const child = spawn(program);
    onTestFinished(() => void child.kill('SIGKILL'));
    const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
    // Some kernels and containers allow no such thing.
    if (String(said) !== 'ready\n') return;
    for (const what of ['environ', 'cmdline'] as const) {
      const bytes = await readOfProcess(child.pid ?? 0, what);
      expect([what, bytes?.length]).toEqual([what, 8 << 20]);
    }
  },
);
