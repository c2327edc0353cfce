import t from 'tap';
import { runSmuggler } from './smuggling.ts';
import { withoutVectors } from './vector-files.ts';

// Very many connections: on a busy machine they take their time.
t.setTimeout(1_800_000);

t.test(
  'mutations of Transfer-Encoding in two places, beside Content-Length, whole and split around them',
  { skip: withoutVectors },
  async (t) => runSmuggler(t, true),
);
