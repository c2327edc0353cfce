import t from 'tap';
import { parseHostsFile } from '../../src/discovery/hosts-file.ts';

t.test('each name has all its addresses, in the order of the lines', async (t) => {
  const hosts = parseHostsFile(
    '127.0.0.1 localhost\n::1\tlocalhost ip6-localhost\r\n\n# 10.0.0.9 orders\n  10.0.0.1   Orders orders. # 10.0.0.8\n' +
      '10.0.0.2 orders\n10.0.0.1 orders\n',
  );
  t.same(Object.fromEntries(hosts), {
    localhost: ['127.0.0.1', '::1'],
    'ip6-localhost': ['::1'],
    orders: ['10.0.0.1', '10.0.0.2'],
  });
});

t.test('lines that are not understood are passed over', async (t) => {
  const hosts = parseHostsFile('nonsense orders\n127.1 orders\n10.0.0.1\n010.0.0.1 orders\n#\n\u0000\n10.0.0.2 orders');
  t.same(Object.fromEntries(hosts), { orders: ['10.0.0.2'] });
});
