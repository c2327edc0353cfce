/** One value in force. */
export type Setting = {
  readonly path: string;
  readonly text: string;
  /** `default`, `profile`, `preset`, `file`, `environment` or `flag`. */
  readonly origin: string;
  readonly where: string;
};

/** Reads the answer of `/debug/config?sources`; of a sidecar that names no sources, the plain configuration. */
export function settingsOf(answer: unknown): readonly Setting[] {
  if (isRecord(answer) && Array.isArray(answer.settings)) {
    return answer.settings.filter(isRecord).map((setting) => ({
      path: String(setting.path),
      text: textOf(setting.value),
      origin: String(setting.origin ?? ''),
      where: String(setting.where ?? ''),
    }));
  }
  return [...leaves('', answer)].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function* leaves(path: string, value: unknown): Generator<Setting> {
  if (isRecord(value))
    for (const [key, inner] of Object.entries(value)) yield* leaves(path === '' ? key : `${path}.${key}`, inner);
  else if (Array.isArray(value) && value.length > 0)
    for (const [index, inner] of value.entries()) yield* leaves(`${path}[${index}]`, inner);
  else yield { path, text: textOf(value), origin: 'default', where: '' };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
