import t from 'tap';
import { betterPlace, hashOf, placeOf } from '../../src/page/place.ts';

t.test('a place is what its hash says, and the other way round', async (t) => {
  const places = [
    { destination: null, view: 'destinations', filter: '' },
    { destination: null, view: 'errors', filter: '' },
    { destination: null, view: 'destinations', filter: '*.shop:80 & more' },
    { destination: 'orders.shop:8080', view: 'endpoints', filter: '' },
    { destination: "o'rders&lt=#%$(x).shop:80", view: 'connections', filter: '' },
  ] as const;
  for (const place of places) t.same(placeOf(hashOf(place)), place);
  t.equal(hashOf({ destination: 'orders.shop:8080', view: 'endpoints' }), '#destination=orders.shop:8080');
});

t.test('a link that somebody wrote by hand is understood, or shows the first view', async (t) => {
  t.equal(placeOf('#destination=*.shop:80').destination, '*.shop:80');
  t.equal(placeOf('#destination=orders.shop%3A8080').destination, 'orders.shop:8080');
  t.equal(placeOf('#destination=100%').destination, '100%');
  t.equal(placeOf('#destination=').destination, null);
  t.equal(placeOf('#view=nothing').view, 'destinations');
  t.equal(placeOf('#view=connections').view, 'destinations');
  t.equal(placeOf('#destination=a&view=configuration').view, 'endpoints');
  t.same(placeOf('#nonsense'), placeOf(''));
});

t.test('a metric’s label leads to its destination, or to the table of those that share it', async (t) => {
  const rows = new Map([
    ['a.shop:80', { label: 'a' }],
    ['b.shop:80', { label: '*.shop:80' }],
    ['c.shop:80', { label: '*.shop:80' }],
  ]);
  const better = (destination: string) => betterPlace({ destination, view: 'events', filter: '' }, rows);
  t.equal(better('a.shop:80'), null);
  t.same(better('a'), { destination: 'a.shop:80', view: 'events', filter: '' });
  t.same(better('*.shop:80'), { destination: null, view: 'destinations', filter: '*.shop:80' });
  for (const all of ['.*', '.+', '{a,b}', '(a|b)', '$__all'])
    t.same(better(all), { destination: null, view: 'destinations', filter: '' }, all);
  t.equal(better('not-yet.shop:80'), null, 'it may come');
});
