// Parses one JUnit report from a build machine, which is not trusted. The parser knows the five entities of XML
// and fetches nothing; a document type, by which others could be declared, is refused.
import { GomoteError } from '../../errors.ts';
import type { SaxesTagPlain } from './saxes.ts';

interface FailedTest {
  readonly name: string;
  readonly kind: 'failed' | 'error';
  readonly message: string;
}

/** One suite, with those in it. */
export interface SuiteResult {
  readonly name: string;
  tests: number;
  failures: number;
  errors: number;
  skipped: number;
  seconds: number;
  readonly failed: FailedTest[];
}

export interface JUnitReport {
  readonly suites: readonly SuiteResult[];
  readonly xml: string;
}

const deepest = 100;

/** How many failed tests of a suite are listed, and the maximum length of each message, in characters. */
const namedTests = 1_000;
const messageLength = 300;

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const notOfXml = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

const rootNames = ['testsuites', 'testsuite'];

/** Throws ERR_REPLY when the text is not a report. */
export async function parseJUnitReport(text: string): Promise<JUnitReport> {
  const { SaxesParser } = await import('./saxes.ts');
  const reader = new Reader();
  const parser = new SaxesParser({ xmlns: false, position: true } as const);
  const damaged = (message: string) =>
    new GomoteError('ERR_REPLY', `line ${parser.line}: ${message}`);
  parser.on('error', ({ message }) => {
    throw damaged(message.replace(/^[0-9:]+ /, '').replace(/\.$/, ''));
  });
  parser.on('doctype', () => {
    throw damaged('a document type is not read');
  });
  parser.on('opentag', (tag) => {
    const fault = reader.open(tag);
    if (fault !== undefined) throw damaged(fault);
  });
  parser.on('closetag', (tag) => reader.close(tag));
  parser.on('text', (part) => reader.text(part));
  parser.on('cdata', (part) => reader.text(part));
  // Test output often contains colour escapes, which XML does not allow.
  parser.write(text.replaceAll(notOfXml, '\uFFFD')).close();
  return { suites: reader.suites, xml: reader.xml.join('') };
}

interface Test {
  readonly name: string;
  outcome: 'passed' | 'failed' | 'error' | 'skipped';
  message: string;
}

class Reader {
  readonly suites: SuiteResult[] = [];
  readonly xml: string[] = [];
  #depth = 0;
  /** The suites may have one parent element, of which only the name spaces are kept. */
  #suiteDepth = 0;
  #spaces: [string, string][] = [];
  #suite: SuiteResult | undefined;
  #test: Test | undefined;
  /** Whether the text belongs to a failure without a message. */
  #isMessage = false;

  /** Handles the start of an element. Returns what is wrong with it. */
  open({ name, attributes }: SaxesTagPlain): string | undefined {
    const isRoot = this.#depth === 0;
    if (isRoot && !rootNames.includes(name)) return `<${name}> is not a JUnit report`;
    if (++this.#depth > deepest) return 'elements are too deep in each other';
    if (isRoot && name === 'testsuites') {
      this.#suiteDepth = 1;
      this.#spaces = Object.entries(attributes).filter(([key]) => /^xmlns(:|$)/.test(key));
      return undefined;
    }
    const isTop = this.#depth === this.#suiteDepth + 1;
    if (isTop && name === 'testsuite') this.#suite = beginSuite(attributes);
    if (isTop && this.#suite !== undefined) this.suites.push(this.#suite);
    const all = isTop ? { ...Object.fromEntries(this.#spaces), ...attributes } : attributes;
    this.xml.push(`<${name}${Object.entries(all).map(attribute).join('')}>`);
    this.#count(name, attributes);
    return undefined;
  }

  #count(name: string, attributes: Readonly<Record<string, string>>): void {
    if (name === 'testcase') {
      const { classname, name: own = '', time } = attributes;
      const inFull = classname === undefined || own.startsWith(classname);
      this.#test = { name: inFull ? own : `${classname}.${own}`, outcome: 'passed', message: '' };
      if (this.#suite !== undefined) this.#suite.seconds += secondsOf(time);
    }
    const isFailure = name === 'failure' || name === 'error';
    if (!isFailure && name !== 'skipped' && name !== 'disabled') return;
    // A suite may fail without a test, for example when it cannot be loaded.
    const test = this.#test ?? this.#suiteItself(name);
    if (isFailure) {
      test.outcome = name === 'error' ? 'error' : 'failed';
      test.message ||= firstLine(attributes.message ?? '');
      this.#isMessage = test.message === '';
    } else if (test.outcome === 'passed') test.outcome = 'skipped';
    if (this.#test === undefined) this.#add(test);
  }

  #suiteItself = (name: string): Test => ({
    name: name === 'skipped' || name === 'disabled' ? '' : (this.#suite?.name ?? ''),
    outcome: 'passed',
    message: '',
  });

  text(part: string): void {
    if (this.#depth <= this.#suiteDepth) return;
    this.xml.push(escaped(part));
    if (!this.#isMessage || this.#test === undefined) return;
    this.#test.message = firstLine(part);
    this.#isMessage = this.#test.message === '';
  }

  close({ name }: SaxesTagPlain): void {
    if (this.#depth-- > this.#suiteDepth) this.xml.push(`</${name}>`);
    if (name === 'failure' || name === 'error') this.#isMessage = false;
    if (name === 'testcase' && this.#test !== undefined) {
      if (this.#suite !== undefined) this.#suite.tests++;
      this.#add(this.#test);
      this.#test = undefined;
    }
    if (this.#depth <= this.#suiteDepth) {
      this.xml.push('\n');
      this.#suite = undefined;
    }
  }

  #add({ name, outcome, message }: Test): void {
    const suite = this.#suite;
    if (suite === undefined || outcome === 'passed') return;
    if (outcome === 'skipped') suite.skipped++;
    else if (outcome === 'error') suite.errors++;
    else suite.failures++;
    if (outcome !== 'skipped' && suite.failed.length < namedTests)
      suite.failed.push({ name, kind: outcome, message });
  }
}

const beginSuite = ({ name = '' }: Readonly<Record<string, string>>): SuiteResult => ({
  name,
  tests: 0,
  failures: 0,
  errors: 0,
  skipped: 0,
  seconds: 0,
  failed: [],
});

/** Some tools write thousands with commas. */
function secondsOf(time: string | undefined): number {
  const seconds = /^[0-9,]{1,15}(\.[0-9]{0,15})?$/.test(time ?? '')
    ? Number(time?.replaceAll(',', ''))
    : 0;
  return Number.isFinite(seconds) ? seconds : 0;
}

const firstLine = (text: string): string =>
  (text.trim().split(/[\r\n]/, 1)[0] ?? '').slice(0, messageLength);

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
  '\n': '&#10;',
  '\t': '&#9;',
};

const escaped = (text: string): string =>
  text.replaceAll(/[&<>\r]/g, (character) => entities[character] ?? character);

export const attribute = ([name, value]: readonly [string, string]): string =>
  ` ${name}="${value.replaceAll(/[&<"\r\n\t]/g, (character) => entities[character] ?? character)}"`;
