import t from 'tap';
import { PartialHead } from '../../src/protocol/http1/partial-head.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

t.test('what was added is held in order, and forgotten when it is cleared', async (t) => {
  const partial = new PartialHead();
  t.equal(partial.empty, true);
  t.equal(partial.bytes().length, 0);
  const whole = Array.from({ length: 5000 }, (_, index) => String.fromCharCode(33 + (index % 90))).join('');
  for (let at = 0; at < whole.length; at += 7)
    partial.add(bytes(`<${whole.slice(at, at + 7)}>`), 1, 1 + whole.slice(at, at + 7).length);
  t.equal(partial.bytes().toString('latin1'), whole);
  t.equal(partial.length, whole.length);
  partial.clear();
  t.equal(partial.empty, true);
  partial.add(bytes('again'), 0, 5);
  t.equal(partial.bytes().toString('latin1'), 'again');
});

t.test('a head that drips in is scanned when it has doubled, and when a blank line is there', async (t) => {
  const partial = new PartialHead();
  const scanned: number[] = [];
  const text = `GET / HTTP/1.1\r\nHost: a\r\nX: ${'y'.repeat(600)}\r\n\r\n`;
  for (const character of text) {
    partial.add(bytes(character), 0, 1);
    if (partial.worthScanning()) scanned.push(partial.length);
  }
  t.same(scanned, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, text.length]);
});

t.test('rule 25: a blank line of bare LF is worth a scan too, so that it is refused at once', async (t) => {
  for (const end of ['\n\n', '\n\r\n', '\r\n\n', '\r\n\r\r\n']) {
    const partial = new PartialHead();
    const head = `GET / HTTP/1.1\r\nHost: a${'b'.repeat(40)}`;
    partial.add(bytes(head), 0, head.length);
    t.equal(partial.worthScanning(), true);
    let last = false;
    for (const character of end) {
      partial.add(bytes(character), 0, 1);
      last = partial.worthScanning();
    }
    t.equal(last, true, JSON.stringify(end));
  }
});

t.test('a blank line is seen through any split, and none is seen where there is none', async (t) => {
  const text = 'GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nZ: a\r\n\r\n';
  for (let first = 25; first < text.length; first++) {
    const partial = new PartialHead();
    partial.add(bytes(text), 0, first);
    partial.worthScanning();
    partial.add(bytes(text), first, text.length - 1);
    t.equal(partial.worthScanning(), false, `cut at ${first}: one byte is missing`);
    partial.add(bytes(text), text.length - 1, text.length);
    t.equal(partial.worthScanning(), true, `cut at ${first}`);
  }
});
