import t from 'tap';
import { explainUnknown } from '../../src/cli/unknown-destination.ts';

const NAMES = [
  'orders.shop:8080',
  'orders.shop.svc:8080',
  'billing:80',
  'old-billing:80',
  'api.example.com:443',
  'api.example.com:8443',
];

t.test('a destination that there is not names those that were probably meant', (t) => {
  for (const [wanted, meant] of [
    ['order.shop:8080', 'orders.shop:8080'],
    ['billing', 'billing:80'],
    ['http://billing/', 'billing:80'],
    ['https://api.example.com/v1?x=1', 'api.example.com:443'],
    ['api.example.com', 'api.example.com:443, api.example.com:8443'],
    ['billing:8080', 'billing:80'],
    ['orders', 'orders.shop:8080, orders.shop.svc:8080'],
    ['example', 'api.example.com:443, api.example.com:8443'],
  ] as const)
    t.equal(explainUnknown('none\nhint', wanted, NAMES), `none\nDid you mean ${meant}?\nhint`, wanted);
  t.equal(explainUnknown('none\nhint', 'something.else:1', NAMES), 'none\nhint', 'or none');
  const many = Array.from({ length: 9 }, (_, i) => `h${i}.shop:80`);
  t.match(explainUnknown('none', 'shop', many), /h0\.shop:80, .*h4\.shop:80\?$/, 'five at most');
  t.end();
});
