// The SDK of the Model Context Protocol. A separate file in dist/: only `gomote mcp` loads it.
export { McpServer } from '@modelcontextprotocol/server';
export { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
export { toStandardJsonSchema } from '@valibot/to-json-schema';
