/**
 * Whether a body goes as gzip, by the Accept-Encoding field (RFC 9110 section 12.5.3): the reader takes it, and does not
 * like the plain body better.
 */
export function wantsGzip(field: string | undefined): boolean {
  if (field === undefined) return false;
  let gzip: number | null = null;
  let identity: number | null = null;
  let any: number | null = null;
  for (const range of field.toLowerCase().split(',')) {
    const [coding = '', ...parameters] = range.split(';').map((part) => part.trim());
    const quality = qualityOf(parameters);
    if (coding === 'gzip' || coding === 'x-gzip') gzip = Math.max(gzip ?? 0, quality);
    else if (coding === 'identity') identity = quality;
    else if (coding === '*') any = quality;
  }
  const wanted = gzip ?? any ?? 0;
  // What is not named is as good as any, but is not asked for.
  return wanted > 0 && wanted >= (identity ?? 0);
}

function qualityOf(parameters: readonly string[]): number {
  const weight = parameters.find((parameter) => parameter.startsWith('q='));
  if (weight === undefined) return 1;
  const value = Number(weight.slice(2));
  return value >= 0 && value <= 1 ? value : 0;
}
