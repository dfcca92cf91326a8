// The Model Context Protocol, by its own SDK. A file of its own in dist/: only `gomote mcp` needs it.
export { McpServer } from '@modelcontextprotocol/server';
export { StdioServerTransport, serveStdio } from '@modelcontextprotocol/server/stdio';
export { toStandardJsonSchema } from '@valibot/to-json-schema';
