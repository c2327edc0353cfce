/**
 * As much of JSON Schema 2020-12 as docs/configuration.schema.json uses; a keyword that is not known here throws, so
 * that the check never passes by overlooking one.
 */

const ANNOTATIONS = new Set(['$schema', '$defs', 'title', 'description', 'default']);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const typeOf = (value: unknown): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value;

/** The places at which `value` is not as `schema` says. */
export function schemaProblems(schema: unknown, value: unknown, root: unknown = schema, at = ''): string[] {
  if (!isObject(schema)) throw new Error(`no schema at ${at}`);
  const wrong = (is: boolean, what: string): string[] => (is ? [`${at || '/'}: ${what}`] : []);
  const number = typeof value === 'number' ? value : null;
  const text = typeof value === 'string' ? value : null;
  return Object.entries(schema).flatMap(([keyword, rule]): string[] => {
    if (ANNOTATIONS.has(keyword)) return [];
    switch (keyword) {
      case '$ref': {
        let target: unknown = root;
        for (const part of String(rule).split('/').slice(1)) target = isObject(target) ? target[part] : undefined;
        return schemaProblems(target, value, root, at);
      }
      case 'type': {
        const types: unknown[] = Array.isArray(rule) ? rule : [rule];
        const is = typeOf(value);
        return wrong(!types.includes(is) && !(is === 'integer' && types.includes('number')), `is ${is}`);
      }
      case 'anyOf': {
        if (!Array.isArray(rule)) throw new Error('anyOf');
        return wrong(!rule.some((each) => schemaProblems(each, value, root, at).length === 0), 'fits none');
      }
      case 'enum':
        return wrong(!(Array.isArray(rule) && rule.includes(value)), 'is none of them');
      case 'const':
        return wrong(rule !== value, 'is not it');
      case 'pattern':
        return wrong(text !== null && !new RegExp(String(rule), 'u').test(text), 'does not match');
      case 'minLength':
        return wrong(text !== null && text.length < Number(rule), 'is too short');
      case 'maxLength':
        return wrong(text !== null && text.length > Number(rule), 'is too long');
      case 'minimum':
        return wrong(number !== null && number < Number(rule), 'is too small');
      case 'maximum':
        return wrong(number !== null && number > Number(rule), 'is too large');
      case 'minItems':
        return wrong(Array.isArray(value) && value.length < Number(rule), 'has too few');
      case 'items':
        return Array.isArray(value)
          ? value.flatMap((entry, index) => schemaProblems(rule, entry, root, `${at}/${index}`))
          : [];
      case 'required':
        return isObject(value) && Array.isArray(rule)
          ? rule.flatMap((name) => wrong(!Object.hasOwn(value, String(name)), `lacks ${name}`))
          : [];
      case 'properties':
        if (!isObject(value) || !isObject(rule)) return [];
        return Object.entries(value).flatMap(([name, inner]) =>
          Object.hasOwn(rule, name) ? schemaProblems(rule[name], inner, root, `${at}/${name}`) : [],
        );
      case 'additionalProperties': {
        const { properties = {} } = schema;
        if (!isObject(properties)) throw new Error('additionalProperties');
        if (rule !== false)
          return isObject(value)
            ? Object.entries(value).flatMap(([name, inner]) =>
                Object.hasOwn(properties, name) ? [] : schemaProblems(rule, inner, root, `${at}/${name}`),
              )
            : [];
        return isObject(value)
          ? Object.keys(value).flatMap((name) => wrong(!Object.hasOwn(properties, name), `has ${name}`))
          : [];
      }
      default:
        throw new Error(`the keyword ${keyword} is not known to this check`);
    }
  });
}
