import t from 'tap';
import { Sniffer, type Verdict } from '../../src/listener/sniffer.ts';

function verdict(bytes: Buffer, splitAt: number): Verdict {
  const sniffer = new Sniffer();
  // The memory behind what was read is not to be looked at.
  sniffer.read(Buffer.concat([bytes.subarray(0, splitAt), Buffer.from('\x16\x03 HTTP/1.1\r\n')]), splitAt);
  const rest = bytes.subarray(splitAt);
  return sniffer.read(rest, rest.length);
}

const CASES: readonly (readonly [Verdict, string])[] = [
  ['http1', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['http1', 'get /lower HTTP/1.0\r\n\r\n'],
  ['http1', 'OPTIONS * HTTP/1.1\r\n'],
  ['http1', 'POST http://a.example/x HTTP/1.1\r\n'],
  ['http1', 'CONNECT a.example:80 HTTP/1.1\r\n'],
  ['http1', 'PRI * HTTP/1.1\r\n'],
  ['http1', 'X-ODD|METHOD /%7e?q="x" HTTP/1.1\r\n'],
  ['http1', `GET /${'a'.repeat(4096)}`],
  ['http2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['tls', '\x16\x03\x01\x00\x05'],
  ['tls', '\x16\x03\x04'],
  ['other', '\x16\x02\x01'],
  ['other', 'SSH-2.0-OpenSSH_9.9\r\n'],
  ['other', 'EHLO a.example\r\n'],
  ['other', '*1\r\n$4\r\nPING\r\n'],
  ['other', 'PING\r\n'],
  ['other', 'get /users/1\r\n'],
  ['other', 'set /k 0 0 5\r\nhello\r\n'],
  ['other', 'GET /old\r\n'],
  ['other', 'GET  / HTTP/1.1\r\n'],
  ['other', 'GET\t/ HTTP/1.1\r\n'],
  ['other', ' GET / HTTP/1.1\r\n'],
  ['other', 'OPTIONS rtsp://camera/1 RTSP/1.0\r\n'],
  ['other', 'INVITE sip:a@b.example SIP/2.0\r\n'],
  ['other', 'GET / HTTP/2.0\r\n'],
  ['other', 'GET / http/1.1\r\n'],
  ['other', 'PRI * HTTP/2x'],
  ['other', 'PRI * HTTP/3.0'],
  ['other', '\x00\x00\x00\x08\x04\xd2\x16\x2f'],
  ['other', '\x10\x0f\x00\x04MQTT'],
  ['other', 'AMQP\x00\x00\x09\x01'],
  ['other', `${'A'.repeat(33)} / HTTP/1.1\r\n`],
  ['other', `LOGIN ${'a'.repeat(4096)}`],
  ['other', 'GET /\xfc HTTP/1.1\r\n'],
  ['unclear', ''],
  ['unclear', 'G'],
  ['unclear', '\x16'],
  ['unclear', 'GET /x'],
  ['unclear', 'GET /x HTTP/'],
  ['unclear', 'PRI * HTTP/2.'],
];

for (const [expected, text] of CASES) {
  t.test(`${JSON.stringify(text.slice(0, 40))} is ${expected}, at every split`, async (t) => {
    const bytes = Buffer.from(text, 'latin1');
    const wrong: number[] = [];
    for (let at = 0; at <= bytes.length; at++) if (verdict(bytes, at) !== expected) wrong.push(at);
    t.same(wrong, []);
    const slowly = new Sniffer();
    for (const byte of bytes) slowly.read(Buffer.from([byte]), 1);
    t.equal(slowly.verdict, expected, 'byte by byte');
  });
}

t.test('a verdict stays, whatever follows', async (t) => {
  const sniffer = new Sniffer();
  t.equal(sniffer.read(Buffer.from('GET / HTTP/1'), 12), 'http1');
  t.equal(sniffer.read(Buffer.from('\x16\x03\x01'), 3), 'http1');
});
