import { networkInterfaces } from 'node:os';
import t from 'tap';
import { inRange, parseAddressRange } from '../../src/discovery/address-range.ts';
import { AddressRules, type AddressRulesOptions } from '../../src/discovery/address-rules.ts';
import { parseIp } from '../../src/discovery/ip-address.ts';

function rules(options: Partial<AddressRulesOptions> = {}): AddressRules {
  return new AddressRules({ allow: [], listeners: [], local: [], ...options });
}

t.test('with allowLoopback loopback is allowed where the app named it, and nothing else is', (t) => {
  const subject = rules({ allowLoopback: true, listeners: [{ host: '127.0.0.1', port: 14140 }] });
  for (const address of ['127.0.0.1', '127.0.0.9', '::1', '::ffff:127.0.0.1']) {
    t.equal(subject.check(address, 8080, true), null, address);
    t.equal(subject.check(address, 8080)?.code, 'DESTINATION_DENIED', `${address}: a name of DNS led to it`);
    t.equal(rules().check(address, 8080, true)?.code, 'DESTINATION_DENIED', `${address}: off by default`);
  }
  for (const address of ['169.254.169.254', '169.254.0.1', '0.0.0.0', '::', '224.0.0.1', '::ffff:169.254.169.254'])
    t.equal(subject.check(address, 80, true)?.code, 'DESTINATION_DENIED', address);
  t.equal(subject.check('127.0.0.1', 14140, true)?.code, 'LOOP', 'carpool itself');
  t.end();
});

t.test(
  'loopback, link-local, metadata, unspecified, multicast and broadcast addresses are denied by name',
  async (t) => {
    const cases = {
      loopback: ['127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', '::127.0.0.1', '64:ff9b::127.0.0.1'],
      'link-local': ['169.254.0.1', 'fe80::1', 'febf::1', 'fe80::1%eth0', '::ffff:169.254.1.1', '64:ff9b::169.254.1.1'],
      metadata: ['169.254.169.254', '168.63.129.16', '100.100.100.200', 'fd00:ec2::254', 'fd20:ce::254'].concat([
        '::ffff:169.254.169.254',
        '::ffff:a83f:8110',
        '::100.100.100.200',
        '64:ff9b::6464:64c8',
        'FD00:0EC2:0:0::0254',
      ]),
      unspecified: ['0.0.0.0', '0.1.2.3', '::', '::ffff:0.0.0.0', '64:ff9b::'],
      multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1', '::ffff:224.0.0.251'],
      broadcast: ['255.255.255.255', '::ffff:255.255.255.255'],
    };
    const subject = rules();
    for (const [kind, addresses] of Object.entries(cases))
      for (const address of addresses) {
        const error = subject.check(address, 80);
        t.equal(error?.code, 'DESTINATION_DENIED', address);
        t.equal(error?.status, 403);
        t.ok(error?.message.includes(`${address} `));
        t.ok(error?.message.includes(`is a ${kind} address`), address);
        t.match(error?.message, /security\.allowAddresses/);
        t.match(error?.hint, /NO_PROXY.*security\.allowAddresses/);
      }
  },
);

t.test('all other addresses may be dialled', async (t) => {
  const subject = rules();
  const addresses = ['10.0.0.1', '126.255.255.255', '128.0.0.1', '169.253.1.1', '169.255.1.1', '1.0.0.0', '223.1.1.1'];
  for (const address of [...addresses, 'fd00::1', '2001:db8::1', 'fec0::1', '::ffff:10.0.0.1', '64:ff9b::8.8.8.8'])
    t.equal(subject.check(address, 80), null, address);
  t.equal(subject.check('168.63.129.17', 80), null);
  t.equal(subject.check('fd00:ec2::255', 80), null);
});

t.test('what is no address in its plain form is denied', async (t) => {
  const subject = rules({ allow: ['127.0.0.0/8'] });
  for (const text of ['127.1', '2130706433', '0x7f.1', '0177.0.0.1', 'localhost', ''])
    t.match(subject.check(text, 80), { code: 'DESTINATION_DENIED', message: /plain form/ });
});

t.test(
  'security.allowAddresses lifts the denial for its addresses and their mapped form, and for no others',
  async (t) => {
    const subject = rules({ allow: ['127.0.0.0/8', 'fe80::/10', '169.254.169.254'] });
    for (const address of ['127.0.0.1', '127.9.9.9', '::ffff:127.0.0.1', 'fe80::1%eth0', '169.254.169.254'])
      t.equal(subject.check(address, 80), null, address);
    for (const address of ['::1', '169.254.169.253', '0.0.0.0', '64:ff9b::127.0.0.1', '::127.0.0.1'])
      t.equal(subject.check(address, 80)?.code, 'DESTINATION_DENIED', address);
    t.equal(rules({ allow: ['64:ff9b::/96'] }).check('64:ff9b::127.0.0.1', 80), null);
    t.equal(rules({ allow: ['::ffff:127.0.0.1'] }).check('::ffff:127.0.0.1', 80), null);
  },
);

t.test("carpool's own listeners are a loop, whatever is allowed", async (t) => {
  const subject = rules({
    allow: ['0.0.0.0/0', '::/0'],
    local: ['10.244.1.7', 'fd00:10:244::7'],
    listeners: [
      { host: '127.0.0.1', port: 14140 },
      { host: '::', port: 14191 },
      { host: 'localhost', port: 14151 },
    ],
  });
  const own = [
    ['127.0.0.1', 14140],
    ['::ffff:127.0.0.1', 14140],
    ['::127.0.0.1', 14140],
    ['64:ff9b::127.0.0.1', 14140],
    ['0.0.0.0', 14140],
    ['::', 14140],
    ['127.0.0.1', 14191],
    ['127.3.3.3', 14191],
    ['::1', 14191],
    ['10.244.1.7', 14191],
    ['::ffff:10.244.1.7', 14191],
    ['fd00:10:244::7', 14191],
    ['FD00:10:244:0::7', 14191],
    ['0.0.0.0', 14191],
    ['::1', 14151],
    ['127.0.0.1', 14151],
  ] as const;
  for (const [address, port] of own) {
    t.match(subject.check(address, port), { code: 'LOOP', status: 508, message: /is a listener of carpool itself/ });
    t.equal(subject.checkOwn(address, port)?.code, 'LOOP');
  }
  const others = [
    ['127.0.0.1', 80],
    ['127.0.0.2', 14140],
    ['10.244.1.7', 14140],
    ['10.244.1.8', 14191],
    ['10.244.1.8', 14151],
  ] as const;
  for (const [address, port] of others) {
    t.equal(subject.check(address, port), null, `${address} ${port}`);
    t.equal(subject.checkOwn(address, port), null);
  }
});

t.test('the addresses of the pod are those of its network interfaces, unless told', async (t) => {
  const subject = new AddressRules({ allow: [], listeners: [{ host: '0.0.0.0', port: 14191 }] });
  const all = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address));
  for (const address of all) t.equal(subject.check(address, 14191)?.code, 'LOOP', address);
});

t.test('addresses that are written as endpoints are checked for loops only', async (t) => {
  const subject = rules({ listeners: [{ host: '127.0.0.1', port: 14140 }] });
  t.equal(subject.checkOwn('169.254.169.254', 80), null);
  t.equal(subject.checkOwn('127.0.0.1', 8080), null);
  t.equal(subject.checkOwn('127.0.0.1', 14140)?.code, 'LOOP');
});

t.test('ranges are compared by their prefix', async (t) => {
  const inside = (range: string, address: string) => {
    const ip = parseIp(address);
    return ip !== null && inRange(parseAddressRange(range), ip);
  };
  t.ok(inside('10.0.0.0/8', '10.255.255.255'));
  t.notOk(inside('10.0.0.0/8', '11.0.0.0'));
  t.ok(inside('192.168.16.0/20', '192.168.31.255'));
  t.notOk(inside('192.168.16.0/20', '192.168.32.0'));
  t.ok(inside('0.0.0.0/0', '1.2.3.4'));
  t.notOk(inside('0.0.0.0/0', '::1'));
  t.ok(inside('fd00::/9', 'fd7f::1'));
  t.notOk(inside('fd00::/9', 'fd80::1'));
  t.ok(inside('::1', '::1'));
  t.notOk(inside('10.0.0.1', '10.0.0.2'));
});

t.test('an entry that is no range is a configuration error in words', async (t) => {
  const cases: Record<string, RegExp> = {
    '': /is neither an IP address nor a range/,
    localhost: /is neither/,
    '127.1': /is neither/,
    '10.0.0.0/8/8': /prefix length from 0 to 32/,
    '10.0.0.0/33': /prefix length from 0 to 32/,
    '10.0.0.0/': /prefix length/,
    '10.0.0.0/08': /prefix length/,
    '10.0.0.0/-1': /prefix length/,
    'fd00::/129': /prefix length from 0 to 128/,
    '10.0.0.1/8': /bits set behind its prefix of 8 bits/,
    'fd00::1/64': /bits set behind/,
    'fe80::1%eth0': /zone id/,
  };
  for (const [text, message] of Object.entries(cases)) {
    t.throws(() => parseAddressRange(text), { code: 'CONFIG_INVALID', message }, text);
    t.throws(() => rules({ allow: [text] }), { code: 'CONFIG_INVALID' });
  }
});
