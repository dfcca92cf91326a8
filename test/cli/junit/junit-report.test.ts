// JUnit reports as programs write them, and as somebody hostile would.
import { describe, expect, it } from 'vitest';
import { parseJUnitReport } from '../../../src/cli/junit/junit-report.ts';
import { mergedXml, summaryLines, totalOf } from '../../../src/cli/junit/merged-reports.ts';

const jest = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="jest tests" tests="3" failures="1">
  <testsuite name="adds" tests="3">
    <testcase classname="sum" name="adds 1" time="0.5"/>
    <testcase classname="sum" name="adds 2" time="0.25"><failure>Error: expected 3
    at sum.js:1</failure></testcase>
    <testcase classname="sum" name="later"><skipped/></testcase>
  </testsuite>
</testsuites>`;

const surefire = `<?xml version="1.0" encoding="UTF-8"?>
<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="x.xsd" name="com.A" time="1,234.5">
  <properties><property name="os" value="a&quot;b&#10;c"/></properties>
  <testcase name="one" classname="com.A" time="1,000.5"/>
  <testcase name="two" classname="com.A" time="NaN"><error message="it &lt;broke&gt;" type="E"><![CDATA[a <b> & c]]></error>
    <system-out>out</system-out></testcase>
</testsuite>`;

const nested = `<testsuites><testsuite name="outer"><testsuite name="inner"><testcase name="x"/></testsuite>
  <error message="cannot load"/></testsuite></testsuites>`;

describe('a JUnit report', () => {
  it('of Jest is read', async () => {
    expect((await parseJUnitReport(jest)).suites).toEqual([
      {
        name: 'adds',
        tests: 3,
        failures: 1,
        errors: 0,
        skipped: 1,
        seconds: 0.75,
        failed: [{ name: 'sum.adds 2', kind: 'failed', message: 'Error: expected 3' }],
      },
    ]);
  });

  it('of Maven, whose root is the suite, is read', async () => {
    const { suites } = await parseJUnitReport(surefire);
    expect(suites).toMatchObject([
      { name: 'com.A', tests: 2, errors: 1, failures: 0, seconds: 1000.5 },
    ]);
    expect(suites[0]?.failed).toEqual([
      { name: 'com.A.two', kind: 'error', message: 'it <broke>' },
    ]);
  });

  it('with nested suites, and a suite that failed without a test, is read', async () => {
    expect((await parseJUnitReport(nested)).suites).toMatchObject([
      { tests: 1, errors: 1, failed: [{ name: 'outer', message: 'cannot load' }] },
    ]);
  });

  it.each(['a\u001b[31mred', 'a\u0000b', '\ufffe'])(
    'with %j in its output is read',
    async (text) => {
      const xml = `<testsuite name="s"><testcase name="t"><failure>${text}</failure></testcase></testsuite>`;
      expect((await parseJUnitReport(xml)).suites).toMatchObject([{ failures: 1 }]);
    },
  );

  it.each([
    ['', /unclosed|document must contain a root/],
    ['<html></html>', /line 1: <html> is not a JUnit report/],
    ['<testsuite><testcase></testsuite>', /line 1: /],
    ['<testsuite name="a">\n<testcase name="b>', /line 2: /],
    ['<!DOCTYPE x [<!ENTITY a "aaa">]><testsuite>&a;</testsuite>', /document type/],
    ['<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>', /document type/],
    ['<testsuite>&undefined;</testsuite>', /undefined entity/],
    [`${'<testsuite>'.repeat(200)}`, /too deep/],
  ])('cannot be %j', async (text, message) => {
    await expect(parseJUnitReport(text)).rejects.toThrow(message);
  });
});

describe('merged reports', async () => {
  const machines = [
    { name: 'linux-1', reports: [await parseJUnitReport(jest), await parseJUnitReport(surefire)] },
    { name: 'linux-2', reports: [await parseJUnitReport(nested)] },
  ];

  it('are a valid report with everything that was in them', async () => {
    const xml = [...mergedXml(machines)].join('');
    const again = await parseJUnitReport(xml);
    expect(again.suites.map(({ name }) => name)).toEqual(['linux-1', 'linux-2']);
    expect(totalOf([{ name: '', reports: [again] }])).toEqual(totalOf(machines));
    expect(totalOf(machines)).toEqual({
      ...{ tests: 6, failures: 1, errors: 2, skipped: 1, seconds: 1001.25 },
    });
    for (const part of [
      '<property name="os" value="a&quot;b&#10;c">',
      'a &lt;b&gt; &amp; c',
      'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"',
      '<testsuite name="linux-2" hostname="linux-2" tests="1" failures="0" errors="1"',
    ]) {
      expect(xml).toContain(part);
    }
  });

  it('of one machine are not in an element of their own', async () => {
    const xml = [...mergedXml(machines.slice(0, 1))].join('');
    expect((await parseJUnitReport(xml)).suites.map(({ name }) => name)).toEqual(['adds', 'com.A']);
  });

  it('are shown as a table, those with failures first, and the tests that failed', async () => {
    expect(summaryLines(machines)).toEqual([
      'MACHINE  SUITE              TESTS  FAILED  ERRORS  SKIPPED      TIME',
      'linux-1  adds                   3       1       0        1     0.75s',
      'linux-1  com.A                  2       0       1        0  1000.50s',
      'linux-2  outer                  1       0       1        0     0.00s',
      '         total of 3 suites      6       1       2        1  1001.25s',
      'failed: linux-1: sum.adds 2: Error: expected 3',
      'error: linux-1: com.A.two: it <broke>',
      'error: linux-2: outer: cannot load',
    ]);
  });

  it('show no control sequence of a terminal', async () => {
    const name = '\u202e\u0085evil';
    const xml = `<testsuite name="${name}"><testcase name="${name}"><failure message="${name}"/></testcase></testsuite>`;
    const lines = summaryLines([{ name: 'one', reports: [await parseJUnitReport(xml)] }]).join(
      '\n',
    );
    expect(lines).toContain('\\u202e');
    expect(lines).not.toMatch(/[\u202e\u0085]/);
  });

  it('are shortened when they are many', async () => {
    const suite = (n: number) =>
      `<testsuite name="s${n}">${'<testcase name="t"><failure/></testcase>'.repeat(2)}</testsuite>`;
    const many = Array.from({ length: 50 }, (_, n) => suite(n)).join('');
    const report = await parseJUnitReport(`<testsuites>${many}</testsuites>`);
    const lines = summaryLines([{ name: 'one', reports: [report] }]);
    expect(lines).toContain('(and 30 more)');
    expect(lines.at(-1)).toBe('and 80 more');
  });
});
