import { Component, type ComponentChild, type ComponentClass } from 'preact';

/** A component that is drawn again only where one of its properties is another value: rows that did not change cost nothing. */
export function memo<P extends object>(draw: (props: P) => ComponentChild): ComponentClass<P> {
  return class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      return !sameValues(this.props, next);
    }

    override render(): ComponentChild {
      return draw(this.props);
    }
  };
}

function sameValues(a: object, b: object): boolean {
  const left = Object.entries(a);
  const right = new Map(Object.entries(b));
  return left.length === right.size && left.every(([key, value]) => right.has(key) && Object.is(right.get(key), value));
}
