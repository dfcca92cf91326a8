// An agent that has the tools of `gomote mcp`, by the SDK's own client over the pipes of a real process.
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { onTestFinished } from 'vitest';
import { gomoteProgram, type Workshop, workshop } from './programs.ts';

export interface Answered {
  readonly text: string;
  readonly data: Record<string, unknown>;
  readonly isError: boolean;
}

interface CallOptions {
  signal?: AbortSignal;
  onprogress?: (progress: { message?: string | undefined }) => void;
}

export interface Agent {
  readonly shop: Workshop;
  readonly client: Client;
  /** Of the process that it talks to. */
  readonly pid: number;
  call(tool: string, given?: Record<string, unknown>, options?: CallOptions): Promise<Answered>;
  /** What the process has said on standard error. */
  said(): string;
}

export async function startAgent(
  options: readonly string[] = ['--type', 'local'],
  shop = workshop(),
): Promise<Agent> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [gomoteProgram, 'mcp', ...options],
    env: shop.environment as Record<string, string>,
    cwd: shop.directory,
    stderr: 'pipe',
  });
  let said = '';
  transport.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(transport);
  onTestFinished(() => client.close());
  const call: Agent['call'] = async (name, given = {}, callOptions = {}) => {
    const result = await client.callTool({ name, arguments: given }, callOptions);
    const [content] = result.content as { text: string }[];
    return {
      text: content?.text ?? '',
      data: (result.structuredContent ?? {}) as Record<string, unknown>,
      isError: result.isError === true,
    };
  };
  return { shop, client, pid: transport.pid ?? 0, call, said: () => said };
}
