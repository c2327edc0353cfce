import t from 'tap';
import { textWidth } from '../../src/cli/text-width.ts';
import { age, bar, latency, percent, sparkline } from '../../src/console/figures.ts';
import { fitColumns } from '../../src/console/grid.ts';
import { type Line, line, span } from '../../src/console/line.ts';
import { paint } from '../../src/console/paint.ts';
import { Screen } from '../../src/console/screen.ts';
import { showsUnicode } from '../../src/console/watch.ts';
import { wrap } from '../../src/console/wrap.ts';

const COLOUR = { colour: true, unicode: true };
const GREY = { colour: false, unicode: true };
const ASCII = { colour: false, unicode: false };

t.test('control characters and marks that turn the writing do not reach the terminal', async (t) => {
  const evil = line('a\u001b[2Jb\u0007\u009bc\nd\u202ee\u2066');
  t.equal(paint(evil, 80, GREY), 'a?[2Jb??c?d?e?');
  t.equal(paint(evil, 80, ASCII), 'a?[2Jb??c?d?e?');
});

t.test('a line is cut at the edge of the screen, and no wide letter stands half over it', async (t) => {
  t.equal(paint(line('abc', 'def'), 4, GREY), 'abcd');
  t.equal(paint(line('日本語'), 5, GREY), '日本');
  t.equal(paint(line('é'.repeat(5)), 3, GREY), 'ééé');
});

t.test('a colour ends with its text', async (t) => {
  t.equal(paint(line('a ', span('bad', 'bad'), ' b'), 80, COLOUR), 'a \u001b[1;31mbad\u001b[0m b');
});

t.test('without colours there is none, and the cursor is still to be seen', async (t) => {
  const selected: Line = { spans: [span('> row', 'warning')], selected: true };
  t.equal(paint(selected, 8, GREY), '\u001b[7m> row   \u001b[0m');
  t.notMatch(paint(line(span('x', 'warning'), span('y', 'good'), span('z', 'bad')), 80, GREY), /\[(1;)?3\d/);
});

t.test('without UTF-8 everything is ASCII and stands where it stood', async (t) => {
  const drawn = line('→ 40×10 … ▁▂▃▄▅▆▇█ ██░░ ▼▲ ─│· 日é’');
  const painted = paint(drawn, 80, ASCII);
  t.match(painted, /^[ -~]*$/);
  t.equal(painted, "> 40x10 ~ _.:-=+*# ##.. v^ -|- ???'");
  t.equal(painted.length, textWidth('→ 40×10 … ▁▂▃▄▅▆▇█ ██░░ ▼▲ ─│· 日é’'));
});

t.test('the locale says whether there is UTF-8; where it says nothing there is', async (t) => {
  t.equal(showsUnicode({ LANG: 'C' }), false);
  t.equal(showsUnicode({ LANG: 'en_US.UTF-8', LC_ALL: 'POSIX' }), false);
  t.equal(showsUnicode({ LANG: 'C', LC_CTYPE: 'C.utf8' }), true);
  t.equal(showsUnicode({ LANG: 'de_DE.ISO-8859-1' }), false);
  t.equal(showsUnicode({}), true);
});

t.test('only lines that have changed are written, in one piece', async (t) => {
  const screen = new Screen();
  screen.enter();
  t.match(screen.frame(['a', 'b', 'c'], 10, 3), /^\u001b\[\?2026h.*a.*b.*c\u001b\[\?2026l$/);
  t.equal(screen.frame(['a', 'b', 'c'], 10, 3), '', 'nothing has changed');
  t.equal(screen.frame(['a', 'B', 'c'], 10, 3), '\u001b[?2026h\u001b[2;1H\u001b[2KB\u001b[?2026l');
  t.match(screen.frame(['a', 'B', 'c'], 20, 3), /\u001b\[2J.*a.*B.*c/, 'another size: all of it');
  screen.forget();
  t.match(screen.frame(['a', 'B', 'c'], 20, 3), /a.*B.*c/, 'somebody else has drawn on it: all of it');
});

t.test('what is taken of the terminal is given back', async (t) => {
  const screen = new Screen();
  const entered = [...screen.enter().matchAll(/\[\?(\d+)([hl])/g)].map(([, mode, set]) => `${mode}${set}`);
  const left = [...screen.leave().matchAll(/\[\?(\d+)([hl])/g)].map(([, mode, set]) => `${mode}${set}`);
  t.same(entered, ['1049h', '25l', '7l']);
  for (const mode of ['1049l', '25h', '7h', '2026l']) t.ok(left.includes(mode), mode);
  t.equal(left.at(-1), '1049l');
});

t.test('columns go by their rank, then texts are cut, never below their least', async (t) => {
  const columns = [
    { title: 'NAME', align: 'left', rank: 0, least: 6 },
    { title: 'A', align: 'right', rank: 1 },
    { title: 'B', align: 'right', rank: 2 },
  ] as const;
  t.same(fitColumns(columns, [10, 3, 3], 20), [10, 3, 3]);
  t.same(fitColumns(columns, [10, 3, 3], 18), [8, 3, 3]);
  t.same(fitColumns(columns, [10, 3, 3], 15), [10, 3, 0]);
  t.same(fitColumns(columns, [10, 3, 3], 6), [6, 0, 0]);
  t.same(fitColumns(columns, [10, 3, 3], 3), [6, 0, 0], 'what stays always, stays');
});

t.test('texts are broken between words, and a long word where the line ends', async (t) => {
  t.same(wrap('one two three', 7), ['one two', 'three']);
  t.same(wrap('abcdefghij kl', 4), ['abcd', 'efgh', 'ij', 'kl']);
  t.same(wrap('日本語', 1), ['日', '本', '語'], 'a letter that does not fit stands there all the same');
  t.same(wrap('', 10), ['']);
});

t.test('figures are short, and none lies about nothing', async (t) => {
  t.equal(age(999), '999ms');
  t.equal(age(59_999), '59s');
  t.equal(age(61_400), '1m01s');
  t.equal(age(7_500_000), '2h05m');
  t.equal(age(273_600_000), '3d4h');
  t.equal(latency(null), '-');
  t.equal(latency(4.25), '4.3ms');
  t.equal(latency(999), '999ms');
  t.equal(latency(2900), '2.9s');
  t.equal(latency(61_000), '61s');
  t.equal(percent(0), '0');
  t.equal(percent(0.0004), '<0.1');
  t.equal(percent(0.0042), '0.4');
  t.equal(percent(0.999), '100');
  t.equal(bar(0.5, 8), '████░░░░  50%');
  t.equal(bar(1.3, 8), '████████ 130%');
  t.equal(sparkline([0, 1, 50, 100]), '▁▂▅█', 'a little is more than nothing');
  t.equal(sparkline([0, 0]), '▁▁');
  t.equal(sparkline([]), '');
});
