// What programs get from the package: every export and member of one is described, and every type in it has a name to import.
import { join, relative } from 'node:path';
import { type Node, SyntaxKind } from 'typescript/unstable/ast';
import {
  API,
  type Symbol as ApiSymbol,
  SignatureKind,
  SymbolFlags,
} from 'typescript/unstable/sync';
import { afterAll, beforeAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');

let api: API;
let project: ReturnType<ReturnType<API['updateSnapshot']>['getProjects']>[number];
let exported: ReadonlyMap<string, ApiSymbol>;

beforeAll(() => {
  api = new API({ cwd: root });
  const opened = api.updateSnapshot({ openProjects: [join(root, 'tsconfig.types.json')] });
  [project] = opened.getProjects() as [typeof project];
  const { checker, program } = project;
  const names = ['src/index.ts', 'src/testing.ts'].flatMap((door) => {
    const file = program.getSourceFile(join(root, door));
    const front = file && checker.getSymbolAtLocation(file);
    return front === undefined ? [] : checker.getExportsOfModule(front);
  });
  exported = new Map(
    names.map((symbol) => {
      return [symbol.name, declared(symbol)];
    }),
  );
});

afterAll(() => api.close());

/** The symbol itself, not the import that brings it. */
const declared = (symbol: ApiSymbol): ApiSymbol =>
  symbol.flags & SymbolFlags.Alias ? project.checker.getAliasedSymbol(symbol) : symbol;

/** Whether the declarations that are shipped leave it out. */
const isInternal = (symbol: ApiSymbol): boolean =>
  symbol.getJsDocTags(project.checker).some(({ name }) => name === 'internal');

/** Members that programs see. */
const membersOf = (symbol: ApiSymbol): ApiSymbol[] =>
  [...symbol.getMembers().values()].filter(
    (member) =>
      !member.name.includes('#') &&
      !member.name.startsWith('__') &&
      member.flags !== SymbolFlags.TypeParameter &&
      !isInternal(member),
  );

it('every export, and every member of one, has a description', () => {
  expect(exported.size).toBeGreaterThan(50);
  const { checker } = project;
  const isBare = (symbol: ApiSymbol) => symbol.getDocumentationComment(checker).trim() === '';
  const bare = [...exported].flatMap(([name, symbol]) => [
    ...(isBare(symbol) ? [name] : []),
    ...membersOf(symbol)
      .filter(isBare)
      .map((member) => `${name}.${member.name}`),
  ]);
  expect(bare).toEqual([]);
});

/** What needs no example, and why. */
const withoutExample: Record<string, string> = {
  'Run.then': 'as of any promise',
  'Run.catch': 'as of any promise',
  'Run.finally': 'as of any promise',
  'BuildletClient.toString': 'called by String()',
  'DirEntry.toString': 'called by String()',
  'BuildletClient.markBroken': 'for pools, which know of a machine what its client does not',
  'BuildletClient.setDispatcher': 'for programs with a network of their own',
  'BuildletClient.proxyRequest': 'for the relay of a coordinator',
  'BuildletClient.trees': 'see Trees',
  'BuildletClient.hold': 'see BuildletHold',
  'BuildletClient.destroyVM': 'see destroyVM',
  'Session.start': 'Sessions.start calls it',
  'Session.detach': 'see Sessions',
  'Download.summary': 'see BuildletClient.download',
  'RemoteFile.summary': 'as of Download',
  'Ports.listen': 'see RemoteListener',
  GoogleCredentials: 'the credentials of google-auth-library have it',
  ClusterConfig: 'the KubeConfig of @kubernetes/client-node has it',
};

/** An exported function, or a method of an exported class or interface. */
interface Callable {
  readonly symbol: ApiSymbol;
  readonly holder?: ApiSymbol;
}

const nameOf = ({ symbol, holder }: Callable): string =>
  holder === undefined ? symbol.name : `${holder.name}.${symbol.name}`;

const holders = SymbolFlags.Class | SymbolFlags.Interface;

const callables = (): Callable[] =>
  [...exported.values()].flatMap((holder): Callable[] => {
    if (holder.flags & SymbolFlags.Function || holder.name === 'openTest')
      return [{ symbol: holder }];
    if (!(holder.flags & holders)) return [];
    return membersOf(holder)
      .filter(({ flags }) => flags & SymbolFlags.Method)
      .map((symbol) => ({ symbol, holder }));
  });

/** Whether it belongs to a type whose values come from the caller. */
const isTheirs = ({ holder }: Callable) => holder !== undefined && holder.name in withoutExample;

it('every function and method is called in an example, its own or that of its class', () => {
  const { checker } = project;
  const examplesOf = (symbol: ApiSymbol): string =>
    symbol
      .getJsDocTags(checker)
      .filter(({ name }) => name === 'example')
      .map(({ text }) => text)
      .join('\n');
  const shown = ({ symbol, holder }: Callable) =>
    examplesOf(symbol) + (holder === undefined ? '' : examplesOf(holder));
  const all = callables().filter((one) => !isTheirs(one));
  expect(all.length).toBeGreaterThan(90);
  const bare = all.filter(
    (one) => !shown(one).includes(`${one.holder === undefined ? '' : '.'}${one.symbol.name}(`),
  );
  const names = bare.map(nameOf).sort();
  const excused = Object.keys(withoutExample).filter((name) => name.includes('.'));
  expect(names).toEqual(excused.sort());
});

/** What gives a promise or a generator and takes no signal, and why. */
const withoutSignal: Record<string, string> = {
  'BuildletClient.close': 'takes 2 s at most',
  'BuildletClient.disconnect': 'asks nobody',
  'BuildletClient.trees': 'asks nobody',
  'Buildlet.disconnect': 'asks nobody',
  'CoordinatorClient.disconnect': 'asks nobody',
  'Forward.close': 'asks nobody',
  'Ports.close': 'asks nobody',
  'Gomote.close': 'asks nobody',
  'TestGomote.close': 'ends what is here',
  'TestGomote.kill': 'ends what is here',
  'Run.then': 'as of any promise',
  'Run.catch': 'as of any promise',
  'Run.finally': 'as of any promise',
  newKeyPair: 'computes',
  newCoordinatorClientFromFlags: 'reads files',
  openTest: 'asks nobody',
};

it('every call that waits takes a signal', () => {
  const { checker } = project;
  const signatureOf = ({ symbol }: Callable) => {
    const type = checker.getTypeOfSymbol(symbol);
    return type && checker.getSignaturesOfType(type, SignatureKind.Call)[0];
  };
  const waits = (one: Callable) => {
    const signature = signatureOf(one);
    const type = signature && checker.getReturnTypeOfSignature(signature);
    return (
      type !== undefined && /^(?:Promise|AsyncGenerator|Run)\b/.test(checker.typeToString(type))
    );
  };
  const takesSignal = (one: Callable) =>
    (signatureOf(one)?.getParameters() ?? []).some((parameter) => {
      const type = checker.getTypeOfSymbol(parameter);
      const given = type && checker.getNonNullableType(type);
      return (
        given &&
        (checker.typeToString(given) === 'AbortSignal' ||
          checker.getPropertyOfType(given, 'signal'))
      );
    });
  const waiting = callables().filter((one) => waits(one) && !isTheirs(one));
  expect(waiting.length).toBeGreaterThan(90);
  const names = waiting.filter((one) => !takesSignal(one)).map(nameOf);
  expect(names.sort()).toEqual(Object.keys(withoutSignal).sort());
});

const inner: readonly SyntaxKind[] = [SyntaxKind.Block, SyntaxKind.PropertyAssignment];

/** Made by a client: their constructors are not for programs. */
const notMade = [
  'Buildlet',
  'BuildletFiles',
  'CoordinatorSnapshots',
  'Files',
  'Gomote',
  'Ports',
  'Run',
  'Session',
  'Sessions',
  'TestGomote',
  'Trees',
];

/** The types that a declaration names where programs see them. */
function typesIn(node: Node, without: readonly SyntaxKind[], found: Node[] = []): Node[] {
  node.forEachChild((child) => {
    if (without.includes(child.kind) || isHidden(child)) return;
    if (child.kind === SyntaxKind.TypeReference) {
      const { typeName } = child as Node & { typeName?: Node };
      if (typeName?.kind === SyntaxKind.Identifier) found.push(typeName);
    }
    typesIn(child, without, found);
  });
  return found;
}

function isHidden(node: Node): boolean {
  const { name } = node as Node & { name?: Node };
  if (name?.kind === SyntaxKind.PrivateIdentifier) return true;
  const symbol = name && project.checker.getSymbolAtLocation(name);
  return symbol !== undefined && isInternal(symbol);
}

it('every type of the package that an export names is exported too', () => {
  const { checker } = project;
  const known = new Set([...exported.values()].map(({ id }) => id));
  const hidden = new Set<string>();
  for (const [name, symbol] of exported) {
    const without = notMade.includes(name) ? [...inner, SyntaxKind.Constructor] : inner;
    for (const handle of symbol.declarations ?? []) {
      const declaration = handle.resolve(project);
      for (const node of declaration === undefined ? [] : typesIn(declaration, without)) {
        const local = checker.getSymbolAtLocation(node);
        if (local === undefined) continue;
        const type = declared(local);
        const place = type.declarations?.[0];
        if (place === undefined || known.has(type.id) || place.kind === SyntaxKind.TypeParameter)
          continue;
        const path = relative(root, place.path);
        if (path.startsWith('src/')) hidden.add(`${name}: ${type.name} of ${path}`);
      }
    }
  }
  expect([...hidden].sort()).toEqual([]);
});
