import t from 'tap';
import { nameOfKey } from '../../src/console/keys.ts';
import { after, drawn, modelOf } from './drawn.ts';
import { connection, destination, detail, snapshot } from './status-fixture.ts';

t.test('a key has one name however the terminal sends it', async (t) => {
  t.equal(nameOfKey({ name: 'return', sequence: '\r' }), 'enter');
  t.equal(nameOfKey({ name: 'c', ctrl: true, sequence: '\u0003' }), 'ctrl-c');
  t.equal(nameOfKey({ name: 'tab', shift: true, sequence: '\u001b[Z' }), 'backtab');
  t.equal(nameOfKey({ name: 'q', sequence: 'Q', shift: true }), 'Q');
  t.equal(nameOfKey({ sequence: '/' }), '/');
  t.equal(nameOfKey({ name: 'é', sequence: 'é' }), 'é');
  t.equal(nameOfKey({ name: 'space', sequence: ' ' }), ' ');
  t.equal(nameOfKey({ name: 'f5', sequence: '\u001b[15~' }), '', 'not one of ours');
  t.equal(nameOfKey({ name: 'x', meta: true, sequence: '\u001bx' }), '');
});

t.test('q goes back step by step, and then ends; Esc never ends', async (t) => {
  const steps = ['up', 'enter', 'q', '4', 'q'];
  t.equal(after(steps).state.ended, false);
  t.match(after(steps).text[2], /^\[1:destinations\]/);
  t.equal(after([...steps, 'q']).state.ended, true);
  t.equal(after(['escape', 'escape']).state.ended, false);
  t.equal(after(['enter', 'q']).state.opened, null);
  t.equal(after(['/', 'q']).state.ended, false, 'it is a letter of the filter');
});

t.test('Ctrl-C ends from everywhere', async (t) => {
  for (const keys of [[], ['/', 'a'], ['?'], ['enter'], ['p']]) t.ok(after([...keys, 'ctrl-c']).state.ended);
});

t.test('Tab goes round the lists, backwards with Shift', async (t) => {
  t.match(after(['tab', 'tab', 'tab']).text[2], /\[4:events\]|\[4:even/);
  t.equal(after(['backtab']).state.tab, 'findings');
  t.equal(after(['6', 'tab']).state.tab, 'destinations');
});

t.test('connections of no open destination are those of the one under the cursor', async (t) => {
  const { state } = after(['down', '2']);
  t.equal(state.opened, 'catalog.shop:8080');
  t.equal(state.tab, 'connections');
  t.match(after(['2'], modelOf(snapshot({ destinations: [], findings: [] }))).all, /choose a destination first/);
});

t.test('a filter shows what contains it, in capitals or not, and Esc shows all', async (t) => {
  const typed = after(['/', ...'CATA']);
  t.match(typed.text.at(-1), /^\/CATA_/);
  t.match(typed.all, /catalog\.shop:8080 +2/);
  t.notMatch(typed.all, /orders\.shop:8080 {2}10/);
  t.equal(after(['/', ...'CATA', 'backspace', 'backspace']).state.filter, 'CA');
  t.equal(after(['/', ...'CATA', 'enter']).state.typing, false);
  t.match(after(['/', ...'CATA', 'enter', 'escape']).all, /orders\.shop:8080 {2}10/);
  t.match(after(['/', ...'xyz']).all, /none of 2 contains that text/);
});

t.test('the filter of all destinations is there again after one of them was open', async (t) => {
  const back = after(['/', ...'cata', 'enter', 'enter', '3', '/', ...'10.0', 'enter', 'escape', 'escape']);
  t.equal(back.state.opened, null);
  t.equal(back.state.filter, 'cata');
  t.equal(back.state.innerFilter, '');
});

t.test('a list is sorted by the next column, and the other way round', async (t) => {
  const destinations = [
    destination('a:80', { pending: 1, utilization: 0.9 }),
    destination('b:80', { pending: 5, utilization: 0.5 }),
    destination('c:80', { pending: 3, utilization: 0.1 }),
  ];
  const model = modelOf(snapshot({ destinations, findings: [] }));
  const order = (keys: readonly string[]) => after(keys, model).shown.keys.join(' ');
  t.equal(order([]), 'a:80 b:80 c:80', 'by use, the fullest first');
  t.equal(order(['s']), 'b:80 c:80 a:80', 'by waiting requests');
  t.equal(order(['>', 'r']), 'a:80 c:80 b:80');
  t.match(after(['>'], model).all, /WAIT▼/);
  t.match(after(['>', 'r'], model).all, /WAIT▲/);
  t.equal(order(['<', '<']), 'a:80 b:80 c:80', 'by name');
  t.match(after(['<', '<'], model).all, /DESTINATION▲/);
  t.equal(order(['<', '<', 'r']), 'c:80 b:80 a:80');
});

t.test('sorting goes by a column that is there, also where the screen has no room for it', async (t) => {
  const model = modelOf(snapshot({ findings: [] }));
  const keys = new Array<string>(13).fill('s');
  t.equal(after(keys, model).state.sorts.destinations.column, 'USE', 'all columns and the order of the sidecar');
});

t.test('another destination has a cursor of its own', async (t) => {
  const connections = [connection(1), connection(2), connection(3)];
  const model = modelOf(snapshot({ detail: detail('orders.shop:8080', { connections }) }));
  const { state } = after(['2', 'down', 'down', 'q', 'down', '2'], model);
  t.equal(state.opened, 'catalog.shop:8080');
  t.equal(state.cursors.connections.index, 0);
});

t.test('the help is left to where it was called from', async (t) => {
  t.match(after(['?']).all, /Ctrl-Z +suspend/);
  t.equal(after(['4', '?', 'q']).state.tab, 'events');
  t.match(after(['up', 'enter', '?', 'escape']).all, /What to do, the likeliest first/);
});

t.test('before the first answer keys do no harm', async (t) => {
  const model = modelOf(null);
  for (const key of ['enter', 'down', 'up', 'end', 's', 'r', '2', '3', '6', 'p', '/', 'x'])
    t.equal(after([key, 'enter', 'down'], model).lines.length, 24, key);
  t.match(drawn(undefined, model).text[0], /^carpool +asking …$/);
});
