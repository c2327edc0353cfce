import { VIA_MODES } from './choices.ts';
import { formatOf } from './formats.ts';
import { DESTINATION_SCHEMA, POLICY_SCHEMA } from './policy-schema.ts';
import { SCHEMA } from './schema.ts';
import { isSpec, type SettingGroup, type SettingSpec } from './setting.ts';

/** Makes the JSON Schema (2020-12) that editors check a configuration file with. */

type Json = Readonly<Record<string, unknown>>;

function ofSetting(spec: SettingSpec): Json {
  const value: Json = { ...formatOf(spec.format).json(spec) };
  const nullable: Json = spec.nullable ? { anyOf: [value, { type: 'null' }] } : value;
  return { description: spec.doc, ...nullable, ...(spec.default === '' ? {} : { default: spec.default }) };
}

/** A group may be empty in YAML, which makes it null. */
function ofGroup(properties: Json, more: Json = {}): Json {
  return { type: ['object', 'null'], properties, additionalProperties: false, ...more };
}

function ofNode(node: SettingSpec | SettingGroup): Json {
  return isSpec(node) ? ofSetting(node) : ofGroup(ofMembers(node));
}

function ofMembers(group: SettingGroup): Json {
  return Object.fromEntries(Object.entries(group).map(([name, node]) => [name, ofNode(node)]));
}

/** The whole schema as a JSON text with a line end. */
export function jsonSchema(): string {
  const policy = Object.fromEntries(Object.keys(POLICY_SCHEMA).map((name) => [name, { $ref: `#/$defs/${name}` }]));
  const properties: Record<string, unknown> = { ...ofMembers(SCHEMA) };
  properties.defaults = ofGroup(policy, { description: 'For every destination that does not say otherwise.' });
  properties.destinations = {
    description: 'Destinations with settings of their own.',
    type: 'array',
    items: {
      type: 'object',
      properties: { ...ofMembers(DESTINATION_SCHEMA), ...policy },
      required: ['match'],
      additionalProperties: false,
    },
  };
  properties.via = { anyOf: [{ enum: VIA_MODES }, properties.via] };
  const schema = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'carpool configuration',
    ...ofGroup(properties),
    $defs: ofMembers(POLICY_SCHEMA),
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
