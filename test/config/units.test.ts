import t from 'tap';
import {
  parseEndpoint,
  parseHostPattern,
  parsePortRange,
  showEndpoint,
  showHostPattern,
} from '../../src/config/addresses.ts';
import { DURATION_PATTERN, parseDuration, showDuration } from '../../src/config/duration.ts';
import { nearest } from '../../src/config/nearest.ts';
import { parseSize, SIZE_PATTERN, showSize } from '../../src/config/size.ts';

t.test('durations are read in every unit and every combination, and shown so that they are read back', async (t) => {
  const known: [string, number][] = [
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1m30s', 90_000],
    ['1h2m3s4ms', 3_723_004],
    ['1.5h', 5_400_000],
    ['0.5s', 500],
    ['0s', 0],
  ];
  for (const [text, ms] of known) {
    t.equal(parseDuration(text), ms, text);
    t.equal(parseDuration(showDuration(ms)) ?? 0, ms, `${text} shown and read`);
  }
  t.equal(showDuration(90_000), '1m30s');
  t.equal(showDuration(0), '0');
});

t.test('what is no duration is refused, by the function and by the pattern alike', async (t) => {
  for (const text of [
    '',
    '30',
    's',
    '5 s',
    '30sec',
    '1d',
    '-5s',
    '+5s',
    '30s1m',
    '1m1m',
    '5S',
    '1e3s',
    '٣s',
    '5s\n',
    '0.5ms',
  ])
    t.notOk(parseDuration(text) !== null || new RegExp(DURATION_PATTERN, 'u').test(text), JSON.stringify(text));
});

t.test('sizes have units of 1024, with or without the B', async (t) => {
  t.equal(parseSize('64KiB'), 65_536);
  t.equal(parseSize('64Ki'), 65_536);
  t.equal(parseSize('1.5MiB'), 1_572_864);
  t.equal(parseSize('1Gi'), 1_073_741_824);
  for (const text of ['', '64', '64KB', '64K', '64kib', '-1KiB', '1 KiB', '1TiB', 'KiB'])
    t.notOk(parseSize(text) !== null || new RegExp(SIZE_PATTERN, 'u').test(text), JSON.stringify(text));
  t.equal(showSize(65_536), '64KiB');
  t.equal(showSize(65_537), '65537 bytes');
  t.equal(showSize(0), '0 bytes');
});

t.test('a host pattern has a host, perhaps a port, and stars as whole labels', async (t) => {
  t.same(parseHostPattern('Orders.Shop:8080'), { host: 'orders.shop', port: 8080 });
  t.same(parseHostPattern('orders.shop.'), { host: 'orders.shop', port: null });
  t.same(parseHostPattern('*.shop'), { host: '*.shop', port: null });
  t.same(parseHostPattern('*'), { host: '*', port: null });
  t.same(parseHostPattern('_grpc.my_service'), { host: '_grpc.my_service', port: null });
  t.same(parseHostPattern('10.0.0.1:80'), { host: '10.0.0.1', port: 80 });
  t.same(parseHostPattern('[FD00:0::1]:80'), { host: 'fd00::1', port: 80 });
  t.same(parseHostPattern('[::1]'), { host: '::1', port: null });
  const wrong = [
    '',
    ':80',
    'a:',
    'a:0',
    'a:65536',
    'a:80:90',
    'a:x',
    '-a',
    'a-',
    'a..b',
    '.a',
    'or*.shop',
    'a b',
    'http://a',
    'a/b',
  ];
  wrong.push('::1', '[a]:80', '[::1', '[::1]80', '10.0.0.300', 'u:p@a:80', 'é.shop', `${'a'.repeat(64)}.b`, 'a\n');
  for (const text of wrong) t.equal(parseHostPattern(text), null, JSON.stringify(text));
  for (const text of ['orders.shop:8080', '[fd00::1]:80', '*.shop']) {
    const pattern = parseHostPattern(text);
    t.equal(pattern && showHostPattern(pattern), text);
  }
});

t.test('an endpoint is an address literal with a port', async (t) => {
  t.same(parseEndpoint('10.0.0.5:9000'), { address: '10.0.0.5', port: 9000 });
  t.same(parseEndpoint('[fd00::5]:9000'), { address: 'fd00::5', port: 9000 });
  t.equal(showEndpoint({ address: 'fd00::5', port: 9000 }), '[fd00::5]:9000');
  for (const text of ['10.0.0.5', 'host:80', 'fd00::5:9000', '10.0.0.5:0', '10.0.0.256:80', '[10.0.0.5]:80', ':80'])
    t.equal(parseEndpoint(text), null, text);
});

t.test('ports are single or ranges', async (t) => {
  t.same(parsePortRange(443), { from: 443, to: 443 });
  t.same(parsePortRange('1024-65535'), { from: 1024, to: 65_535 });
  t.same(parsePortRange('80'), { from: 80, to: 80 });
  for (const raw of [0, 65_536, 1.5, -1, '', '-', '1-', '-1', '9-8', '1-2-3', 'http', true, null])
    t.equal(parsePortRange(raw), null, String(raw));
});

t.test('the nearest name is one that a typing error explains', async (t) => {
  const names = ['maxConnections', 'maxIdle', 'minConnections', 'maxAge', 'to'];
  t.equal(nearest('maxConections', names), 'maxConnections');
  t.equal(nearest('max_connections', names), 'maxConnections');
  t.equal(nearest('MAXIDLE', names), 'maxIdle');
  t.equal(nearest('maxIdel', names), 'maxIdle');
  t.equal(nearest('colour', names), null);
  t.equal(nearest('x'.repeat(10_000), names), null);
});
