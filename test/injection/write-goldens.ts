import { writeFileSync } from 'node:fs';
import { goldenFile, madeGolden, SHAPES } from './shapes.ts';

/** Writes the golden files anew. Each difference is to be read before it is kept. */
for (const name of SHAPES) writeFileSync(goldenFile(name), await madeGolden(name));
