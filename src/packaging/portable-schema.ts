/**
 * JSON Schemas for Helm, whose regular expressions are Go's and know no lookahead, and which up to 3.17 reads draft 7
 * only: lookaheads become lengths, `$defs` become `definitions`.
 */

/** What a lookahead says, said otherwise. */
const LOOKAHEADS: readonly { readonly pattern: string; readonly means: Readonly<Record<string, number>> }[] = [
  // Each part that follows begins with a digit, so that only the empty text has to be kept out.
  { pattern: '(?=[0-9])', means: { minLength: 1 } },
  { pattern: '(?=.{1,253}$)', means: { minLength: 1, maxLength: 253 } },
];

/** @throws Error where a pattern looks around in a way that is not known here */
export function portable(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(portable);
  if (typeof schema !== 'object' || schema === null) return schema;
  const members: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(withNamedMembers(schema))) {
    if (name === 'pattern' && typeof value === 'string') Object.assign(members, withoutLookahead(value));
    else if (name === '$ref' && typeof value === 'string') members[name] = value.replace('#/$defs/', '#/definitions/');
    else members[name] = portable(value);
  }
  return members;
}

/** A map with a rule for its names, so that Helm's message says where a wrong name is. */
function withNamedMembers(schema: object): object {
  const { propertyNames, additionalProperties, ...rest }: Record<string, unknown> = { ...schema };
  if (typeof propertyNames !== 'object' || propertyNames === null || !('pattern' in propertyNames)) return schema;
  const patternProperties = { [String(propertyNames.pattern)]: additionalProperties };
  return { ...rest, patternProperties, additionalProperties: false };
}

function withoutLookahead(pattern: string): Record<string, unknown> {
  const known = LOOKAHEADS.find((each) => pattern.startsWith(`^${each.pattern}`));
  const rest = known === undefined ? pattern : `^${pattern.slice(1 + known.pattern.length)}`;
  if (/\(\?[=!<]/.test(rest)) throw new Error(`Go knows no such pattern: ${pattern}`);
  return { ...known?.means, pattern: rest };
}
