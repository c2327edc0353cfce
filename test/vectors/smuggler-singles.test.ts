import t from 'tap';
import { runSmuggler } from './smuggling.ts';
import { withoutVectors } from './vector-files.ts';

t.test(
  'mutations of Transfer-Encoding in one place, beside Content-Length, whole and split around them',
  { skip: withoutVectors },
  async (t) => runSmuggler(t, false),
);
