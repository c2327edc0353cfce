import t from 'tap';
import { addressPort, embeddedIpv4, isIpLiteral, isOddAddress, parseIp } from '../../src/discovery/ip-address.ts';

function hex(text: string): string {
  return Buffer.from(parseIp(text)?.bytes ?? []).toString('hex');
}

t.test('addresses are read into their bytes', async (t) => {
  t.equal(hex('10.0.255.1'), '0a00ff01');
  t.equal(hex('::'), '00000000000000000000000000000000');
  t.equal(hex('::1'), '00000000000000000000000000000001');
  t.equal(hex('fe80::'), 'fe800000000000000000000000000000');
  t.equal(hex('2001:db8::8:800:200C:417a'), '20010db80000000000080800200c417a');
  t.equal(hex('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008');
  t.equal(hex('1:2:3:4:5:6:7::'), '00010002000300040005000600070000');
  t.equal(hex('::ffff:192.0.2.33'), '00000000000000000000ffffc0000221');
  t.equal(hex('64:ff9b::192.0.2.33'), '0064ff9b0000000000000000c0000221');
  t.equal(hex('1:2:3:4:5:6:192.0.2.33'), '000100020003000400050006c0000221');
});

t.test('a zone id is read apart from the address', async (t) => {
  t.match(parseIp('fe80::1%eth0'), { family: 6, zone: 'eth0' });
  t.equal(hex('fe80::1%eth0'), 'fe800000000000000000000000000001');
  t.equal(parseIp('fe80::1')?.zone, null);
});

t.test('odd spellings of addresses are no addresses and no names', async (t) => {
  const odd = ['127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.0.0.1', '0177.0.0.1', '127.0.0.01', '1.2.3.4.5'];
  for (const text of [...odd, '256.0.0.1', '10.0.0.1.', '0X7F', 'a.0x', 'host.1']) {
    t.equal(parseIp(text), null, text);
    t.equal(isIpLiteral(text), false, text);
    t.equal(isOddAddress(text), true, text);
  }
  for (const text of ['', '1::2::3', '[::1]', '::1/128', ':::', '12345::', '::ffff:127.1', '127.0.0.1%eth0', ' ::1'])
    t.equal(parseIp(text), null, text);
});

t.test('names and addresses are not odd', async (t) => {
  for (const text of ['10.0.0.1', '::1', 'orders', 'web-0.orders', '3com.com', '1.example.com', 'x.0xyz', 'a1'])
    t.equal(isOddAddress(text), false, text);
});

t.test('an IPv4 address is found in each IPv6 form that carries one', async (t) => {
  const inner = (text: string) => {
    const ip = parseIp(text);
    const found = ip && embeddedIpv4(ip);
    return found ? `${found.ip.bytes.join('.')}${found.same ? ' same' : ''}` : null;
  };
  t.equal(inner('::ffff:127.0.0.1'), '127.0.0.1 same');
  t.equal(inner('::ffff:7f00:1'), '127.0.0.1 same');
  t.equal(inner('::127.0.0.1'), '127.0.0.1');
  t.equal(inner('64:ff9b::a9fe:a9fe'), '169.254.169.254');
  t.equal(inner('::ffff:0:10.0.0.1'), '10.0.0.1');
  t.equal(inner('2002:7f00:1::1'), '127.0.0.1');
  for (const text of ['::', '::1', '2001:db8::7f00:1', '64:ff9b:1::7f00:1', '127.0.0.1']) t.equal(inner(text), null);
});

t.test('an address and its port are one word, IPv6 in brackets', async (t) => {
  t.equal(addressPort('10.0.0.1', 80), '10.0.0.1:80');
  t.equal(addressPort('fd00::1', 80), '[fd00::1]:80');
});
