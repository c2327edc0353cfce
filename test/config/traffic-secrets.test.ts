import t, { type Test } from 'tap';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigProblems } from '../../src/config/problems.ts';

/** What is said of a variable that is refused. */
function refusalOf(t: Test, env: Record<string, string>): string {
  try {
    loadConfig({ file: null, env, flags: [] });
  } catch (error) {
    if (error instanceof ConfigProblems) return error.lines.join('\n');
    throw error;
  }
  t.fail('it was taken');
  return '';
}

for (const [words, url] of [
  ['a slash', 'redis://:s3cr/et@redis.infra:6379'],
  ['a question mark and a slash', 'redis://user:s3c?r/et@redis.infra:6379'],
  ['an at sign', 'rediss://user:s3c@r/et@redis.infra:6379'],
  ['nothing odd', 'redis://:s3cret@redis.infra:6379'],
] as const)
  t.test(`a password with ${words} in a URL is not in the words that refuse it`, async (t) => {
    for (const name of ['CARPOOL_FLEET_REDIS_URL', 'CARPOOL_EGRESS_PARENT_PROXY_URL']) {
      const words = refusalOf(t, { [name]: url });
      t.notMatch(words, /s3c|r\/et/);
      t.match(words, '***@redis.infra:6379');
    }
  });

t.test('a prefix that begins with a space is refused: by HTTP/2 no value may', async (t) => {
  const set = (prefix: string) => ({
    CARPOOL_HEADERS_SET: JSON.stringify({ 'x-key': { file: '/run/key', prefix } }),
  });
  t.match(refusalOf(t, set(' Bearer ')), 'the prefix of x-key must be a text');
  const { config } = loadConfig({ file: null, env: set('Bearer '), flags: [] });
  t.equal(config.defaults.headers.set[0]?.prefix, 'Bearer ');
});
