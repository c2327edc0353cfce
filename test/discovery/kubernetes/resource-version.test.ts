import { test } from 'tap';
import { olderVersion } from '../../../src/discovery/kubernetes/resource-version.ts';

test('resource versions are compared as numbers of any length', async (t) => {
  t.equal(olderVersion('9', '10'), true);
  t.equal(olderVersion('10', '9'), false);
  t.equal(olderVersion('10', '10'), false);
  t.equal(olderVersion('18446744073709551614', '18446744073709551615'), true, 'beyond what a number holds');
});

test('where a resource version is no number, nothing is concluded', async (t) => {
  for (const other of ['', 'abc', '1e3', '-1', '007', ' 9', '9'.repeat(40)]) {
    t.equal(olderVersion(other, '10'), false, JSON.stringify(other));
    t.equal(olderVersion('1', other), false, JSON.stringify(other));
  }
});
