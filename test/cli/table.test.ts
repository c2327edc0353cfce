import t from 'tap';
import { type Paper, paint, paperOf } from '../../src/cli/paper.ts';
import { left, right, table } from '../../src/cli/table.ts';
import { fitText, textWidth, wrapText } from '../../src/cli/text-width.ts';

const terminal = (width: number): Paper => ({ width, rows: 24, color: false });
const pipe: Paper = { width: null, rows: null, color: false };

t.test('a terminal counts squares, not letters', (t) => {
  for (const [text, width] of [
    ['orders.shop:8080', 16],
    ['日本', 4],
    ['한국', 4],
    ['ｶﾅ', 2],
    ['e\u0301', 1],
    ['\u200d', 0],
    ['👩‍🚀', 2],
    ['❤\ufe0f', 2],
    ['→ …', 3],
    ['Ｆ', 2],
  ] as const)
    t.equal(textWidth(text), width, JSON.stringify(text));
  t.end();
});

t.test('a text that is cut keeps whole letters and never becomes too wide', (t) => {
  t.equal(fitText('abc', 3), 'abc');
  t.equal(fitText('abcd', 3), 'ab…');
  t.equal(fitText('日本語', 4), '日…');
  t.equal(fitText('日本語', 5), '日本…');
  t.equal(fitText('e\u0301e\u0301e\u0301', 2), 'e\u0301…');
  t.equal(fitText('abc', 0), '');
  t.same(wrapText('one two three four', 9), ['one two', 'three', 'four']);
  t.same(wrapText('a-word-that-is-long x', 5), ['a-word-that-is-long', 'x'], 'it can be copied whole');
  t.end();
});

t.test('wide and combining letters do not push the columns apart', (t) => {
  const rows = [
    ['日本.test', '1'],
    ['e\u0301.test', '22'],
    ['plain.test', '333'],
  ];
  t.equal(
    table([left('NAME'), right('N')], rows, pipe),
    'NAME          N\n日本.test     1\ne\u0301.test       22\nplain.test  333\n',
  );
  t.end();
});

const COLUMNS = [left('NAME'), right('ONE'), right('TWO', 2), left('THREE', 1), right('FOUR')];
const ROW = [['a-long-name-of-32-characters.test', '1', '2', 'three', '4']];

t.test('on a narrow terminal the least important columns go first, and the others stay whole', (t) => {
  const shown = (width: number) => table(COLUMNS, ROW, terminal(width)).split('\n');
  t.same(shown(60).slice(0, 2), [
    'NAME                               ONE  TWO  THREE  FOUR',
    'a-long-name-of-32-characters.test    1    2  three     4',
  ]);
  t.equal(shown(40)[1], 'a-long-name-of-3…    1    2  three     4', 'a name is cut while enough of it is left');
  t.equal(shown(37)[1], 'a-long-name-of-32-…    1  three     4');
  t.equal(shown(37)[2], '(too narrow for TWO; -o json has all)');
  t.match(shown(29)[2], /^\(too narrow for TWO, THREE;/);
  for (let width = 1; width <= 70; width++)
    for (const line of shown(width)) t.ok(textWidth(line) <= width, `${width}: ${line}`);
  t.match(shown(12)[1], /^a-lon…/, 'what a row is about stays to the last');
  t.end();
});

t.test('off a terminal every column is there, whole, and no line ends in spaces', (t) => {
  const rows = [...ROW, ['x', '', '', '', '']];
  const text = table(COLUMNS, rows, pipe);
  t.match(text, /^a-long-name-of-32-characters\.test +1 +2 +three +4$/m);
  t.match(text, /^x$/m);
  t.notMatch(text, / $/m);
  t.end();
});

t.test('colours do not count, and stand only where there are colours', (t) => {
  const rows = [[{ text: 'bad', style: 'red' as const }, '1']];
  const columns = [left('STATE'), right('N')];
  const plain = table(columns, rows, terminal(20));
  const colored = table(columns, rows, { ...terminal(20), color: true });
  t.equal(plain, 'STATE  N\nbad    1\n');
  t.match(colored, '\u001b[31mbad\u001b[39m    1\n');
  t.equal(colored.replace(/\u001b\[\d+m/g, ''), plain);
  t.equal(paint('', 'red', { color: true }), '');
  t.end();
});

t.test('colours are for terminals, unless somebody said otherwise', (t) => {
  const color = (choice: 'auto' | 'always' | 'never', columns: number | null, env: Record<string, string> = {}) =>
    paperOf({ columns, rows: columns === null ? null : 24, env }, choice).color;
  t.equal(color('auto', 80), true);
  t.equal(color('auto', null), false, 'a pipe');
  t.equal(color('auto', 80, { NO_COLOR: '1' }), false);
  t.equal(color('auto', 80, { NO_COLOR: '' }), true, 'an empty NO_COLOR says nothing');
  t.equal(color('auto', 80, { TERM: 'dumb' }), false);
  t.equal(color('auto', null, { FORCE_COLOR: '1' }), true);
  t.equal(color('auto', 80, { FORCE_COLOR: '0' }), false);
  t.equal(color('auto', 80, { FORCE_COLOR: '1', NO_COLOR: '1' }), true, 'as Node has it');
  t.equal(color('always', null, { NO_COLOR: '1' }), true, 'the option wins');
  t.equal(color('never', 80, { FORCE_COLOR: '1' }), false);
  t.end();
});

t.test('COLUMNS wins over the terminal, and is nothing to a pipe', (t) => {
  const width = (columns: number | null, env: Record<string, string>) =>
    paperOf({ columns, rows: 24, env }, 'auto').width;
  t.equal(width(120, {}), 120);
  t.equal(width(120, { COLUMNS: '60' }), 60);
  t.equal(width(120, { COLUMNS: 'wide' }), 120);
  t.equal(width(0, {}), 80, 'a terminal that does not know');
  t.equal(width(null, { COLUMNS: '60' }), null);
  t.end();
});
