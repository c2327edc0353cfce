import t from 'tap';
import { NoProxy } from '../../src/egress/no-proxy.ts';

const covers = (entry: string, host: string, port = 443): boolean => new NoProxy([entry]).covers(host, port);

t.test('a name covers itself and what is below it, however it is written', async (t) => {
  for (const entry of ['example.com', '.example.com', '*.example.com']) {
    t.equal(covers(entry, 'example.com'), true, entry);
    t.equal(covers(entry, 'a.b.example.com'), true, entry);
    t.equal(covers(entry, 'badexample.com'), false, entry);
    t.equal(covers(entry, 'example.com.evil.test'), false, entry);
    t.equal(covers(entry, 'com'), false, entry);
  }
});

t.test('addresses and ranges cover addresses, and no names', async (t) => {
  t.equal(covers('10.0.0.0/8', '10.255.0.1'), true);
  t.equal(covers('10.0.0.0/8', '11.0.0.1'), false);
  t.equal(covers('fc00::/7', 'fd00::5'), true);
  t.equal(covers('fc00::/7', '10.0.0.1'), false);
  t.equal(covers('192.0.2.7', '192.0.2.7'), true);
  t.equal(covers('::1', '::1'), true);
  t.equal(covers('10.0.0.0/8', '10.example'), false);
  t.equal(covers('0.2.7', '192.0.2.7'), false, 'an address is below no name');
});

t.test('an entry with a port covers that port alone', async (t) => {
  for (const [entry, host] of [
    ['db.shop:5432', 'db.shop'],
    ['.shop:5432', 'db.shop'],
    ['192.0.2.7:5432', '192.0.2.7'],
    ['[fd00::5]:5432', 'fd00::5'],
  ] as const) {
    t.equal(covers(entry, host, 5432), true, entry);
    t.equal(covers(entry, host, 443), false, entry);
  }
});

t.test('* covers everything, and no entry covers nothing', async (t) => {
  t.equal(covers('*', 'example.com'), true);
  t.equal(covers('*', '192.0.2.7'), true);
  t.equal(new NoProxy([]).covers('example.com', 443), false);
});
