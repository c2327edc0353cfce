import t from 'tap';
import { maskSecrets } from '../../src/admin/mask-secrets.ts';

t.test('secrets are masked at any depth, paths and everything else are shown', (t) => {
  const masked = maskSecrets({
    control: { tokenFile: '/run/token', token: 'abc' },
    egress: { parentProxy: { url: 'http://user:pass@proxy:3128/x', password: 'abc' } },
    destinations: [
      { match: 'a:80', headers: { set: { 'x-api-key': 'abc', accept: 'abc' }, remove: ['cookie'] }, apiKey: 'abc' },
    ],
    policy: {
      headers: { set: [{ name: 'x-api-key', value: 'abc', file: '/run/key', prefix: 'Bearer abc' }], remove: [] },
    },
    number: 3,
    nothing: null,
  });
  t.same(masked, {
    control: { tokenFile: '/run/token', token: '***' },
    egress: { parentProxy: { url: 'http://***@proxy:3128/x', password: '***' } },
    destinations: [
      { match: 'a:80', headers: { set: { 'x-api-key': '***', accept: '***' }, remove: ['cookie'] }, apiKey: '***' },
    ],
    policy: {
      headers: { set: [{ name: 'x-api-key', value: '***', file: '/run/key', prefix: '***' }], remove: [] },
    },
    number: 3,
    nothing: null,
  });
  t.end();
});
