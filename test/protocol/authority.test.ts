import t from 'tap';
import { facts, ruleOf } from './scanning.ts';

const EMPTY = 'the host is empty or begins with a byte that no host has';
const BYTE = 'the host holds a byte that no host has';
const USER = 'user information may not stand in the target';
const PORT = 'the port must be a number from 1 to 65535';
const LITERAL = 'an IPv6 literal may hold hex digits, colons and dots';
const HALF = 'the IPv6 literal is not complete';

const REFUSED: readonly [string, string][] = [
  ['', EMPTY],
  [':80', EMPTY],
  ['%61', EMPTY],
  ['\\a', EMPTY],
  ['@a', EMPTY],
  ['a,b', BYTE],
  ['a%2e', BYTE],
  ['a\\b', BYTE],
  ['a;b', BYTE],
  ['a[1]', BYTE],
  ['[::1]a', BYTE],
  ['u@a', USER],
  ['u:p@a', USER],
  ['a:p@b:80', USER],
  ['u:@a', USER],
  ['a:0', PORT],
  ['a:00', PORT],
  ['a:65536', PORT],
  ['a:99999', PORT],
  ['a:000080', PORT],
  ['a:-1', PORT],
  ['a:+80', PORT],
  ['a:8x', PORT],
  ['a:80:80', PORT],
  ['a:0x50', PORT],
  ['[fe80::1%25eth0]', LITERAL],
  ['[fe80::1%eth0]:80', LITERAL],
  ['[v1.x]', LITERAL],
  ['[::1', HALF],
  ['[]', HALF],
  ['[1]', HALF],
  ['[127.0.0.1]', HALF],
  ['[::1]:0', PORT],
];

const TAKEN: readonly [authority: string, host: string, port: number][] = [
  ['a', 'a', -1],
  ['a.', 'a.', -1],
  ['a:', 'a', -1],
  ['a:1', 'a', 1],
  ['a:65535', 'a', 65_535],
  ['a:00080', 'a', 80],
  ['A_b-c~.Example', 'A_b-c~.Example', -1],
  ['xn--bcher-kva.example:8080', 'xn--bcher-kva.example', 8080],
  ['127.0.0.1:80', '127.0.0.1', 80],
  ['[::1]', '[::1]', -1],
  ['[::1]:', '[::1]', -1],
  ['[2001:DB8::192.0.2.1]:443', '[2001:DB8::192.0.2.1]', 443],
];

t.test('rule 6: what is no host and port is refused in an absolute target, each with its reason', async (t) => {
  for (const [authority, rule] of REFUSED) {
    t.equal(
      ruleOf('request', `GET http://${authority}/ HTTP/1.1\r\nHost: a\r\n\r\n`),
      `BAD_REQUEST: ${rule}`,
      JSON.stringify(authority),
    );
  }
});

t.test('rule 6: the same is refused in Host, beside every form of target', async (t) => {
  for (const [authority, rule] of REFUSED) {
    for (const line of [
      'GET / HTTP/1.1',
      'GET http://b/ HTTP/1.1',
      'GET / HTTP/1.0',
      'CONNECT b:443 HTTP/1.1',
      'OPTIONS * HTTP/1.1',
    ]) {
      t.equal(
        ruleOf('request', `${line}\r\nHost: ${authority}\r\n\r\n`),
        `BAD_REQUEST: Host: ${rule}`,
        `${line} with ${JSON.stringify(authority)}`,
      );
    }
  }
});

t.test('rule 6: Host may not hold what a target could not', async (t) => {
  for (const value of ['a b', 'a\tb', 'a/b', 'a?b', 'http://a', 'a\xff', '\xffa', 'a, b', 'a#b']) {
    t.match(
      ruleOf('request', `GET / HTTP/1.1\r\nHost: ${value}\r\n\r\n`),
      /^BAD_REQUEST: Host: /,
      JSON.stringify(value),
    );
  }
});

t.test('rule 6: hosts and ports that are taken', async (t) => {
  for (const [authority, host, port] of TAKEN) {
    const absolute = facts('request', `GET http://${authority}/ HTTP/1.1\r\nHost: other:1\r\n\r\n`);
    t.same([absolute.authority, absolute.host, absolute.port], [authority, host, port], 'absolute');
    const origin = facts('request', `GET / HTTP/1.1\r\nHost:  ${authority}\t\r\n\r\n`);
    t.same([origin.authority, origin.host, origin.port], [authority, host, port], 'Host');
    if (port > 0) t.equal(facts('request', `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`).port, port);
  }
});

t.test('rule 6: one Host on HTTP/1.1, at most one on HTTP/1.0', async (t) => {
  t.equal(ruleOf('request', 'GET / HTTP/1.1\r\n\r\n'), 'BAD_REQUEST: an HTTP/1.1 request must have a Host field');
  t.equal(
    ruleOf('request', 'GET http://a/ HTTP/1.1\r\nX: y\r\n\r\n'),
    'BAD_REQUEST: an HTTP/1.1 request must have a Host field',
  );
  t.equal(
    ruleOf('request', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n'),
    'BAD_REQUEST: there must be one Host field',
  );
  t.equal(
    ruleOf('request', 'GET / HTTP/1.0\r\nHost: a\r\nHOST: b\r\n\r\n'),
    'BAD_REQUEST: there must be one Host field',
  );
  t.equal(facts('request', 'GET / HTTP/1.0\r\n\r\n').authority, '');
  t.equal(facts('request', 'GET http://a:81/ HTTP/1.0\r\n\r\n').port, 81);
});

t.test('rule 6: the target wins over Host, which agrees only to the letter', async (t) => {
  const of = (host: string): unknown => {
    const {
      authority,
      host: name,
      port,
      hostAgrees,
    } = facts('request', `GET http://a:81/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    return [authority, name, port, hostAgrees];
  };
  t.same(of('b:82'), ['a:81', 'a', 81, false]);
  t.same(of('a:82'), ['a:81', 'a', 81, false]);
  t.same(of('A:81'), ['a:81', 'a', 81, false]);
  t.same(of('a'), ['a:81', 'a', 81, false]);
  t.same(of('a:81'), ['a:81', 'a', 81, true]);
});
