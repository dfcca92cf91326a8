// Bundles the library into dist/.
import http from 'node:http';
import { join, relative } from 'node:path';
import { rolldown } from 'rolldown';

/**
 * `import 'node:http'` reads every export of it, and from Node 22 on WebSocket is one that loads Node's own undici: 30 ms that
 * no request needs.
 */
const httpWithoutWebSocket = {
  name: 'http-without-web-socket',
  resolveId: (path) => (path === 'node:http' ? '\0http' : undefined),
  load(id) {
    if (id !== '\0http') return undefined;
    const exported = Object.entries(Object.getOwnPropertyDescriptors(http));
    const names = exported.filter(([, { value }]) => value !== undefined).map(([name]) => name);
    return `export const { ${names} } = process.getBuiltinModule('node:http');`;
  },
};

/**
 * All modules that `import 'gomote'` loads are put into one file, because Node takes half a millisecond to find, read and link a file.
 * esbuild cannot do that: it makes forty files of them, one for each set of modules that import the same ones.
 *
 * Returns the paths of the bundled modules.
 *
 * @param root The package's directory.
 * @param external Packages that npm installs beside the library.
 * @param apart Modules that are files of their own: the file's name by the module's path.
 */
export async function buildLibrary(root, external, apart) {
  const front = new Set();
  const withModulesApart = {
    name: 'modules-apart',
    resolveId(path, importer) {
      if (importer === undefined || !path.startsWith('.')) return undefined;
      const module = relative(root, join(importer, '..', path)).replaceAll('\\', '/');
      return apart[module] && { id: `./${apart[module]}.cjs`, external: true };
    },
    buildEnd() {
      const add = (id) => {
        const module = this.getModuleInfo(id);
        if (front.has(id) || module.isExternal) return;
        front.add(id);
        module.importedIds.forEach(add);
      };
      add(join(root, 'src/index.ts'));
    },
  };
  const library = await rolldown({
    cwd: root,
    input: { index: 'src/index.ts', testing: 'src/testing.ts' },
    platform: 'node',
    external,
    plugins: [httpWithoutWebSocket, withModulesApart],
    transform: { target: 'node20.18' },
  });
  const { output } = await library.write({
    dir: 'dist',
    // They lie beside the entry points: src/package-root.ts counts on it.
    chunkFileNames: 'chunk-[hash].js',
    codeSplitting: { groups: [{ name: 'front', test: (id) => front.has(id) }] },
    // Small, with the names that stack traces show.
    minify: { compress: true, mangle: false, codegen: { removeWhitespace: true } },
  });
  await library.close();
  return output.flatMap(({ moduleIds = [] }) => moduleIds);
}
