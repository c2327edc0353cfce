import axios from 'axios';
import { DEADLINE_MS, runPlan } from '../node/plan.ts';

/**
 *   node axios.js (OP URL COUNT)...
 *
 * In JavaScript: axios is fetched for the image alone, so that there are no types of it here.
 */
const client = axios.create({ timeout: DEADLINE_MS, validateStatus: () => true, responseType: 'text' });
const read = ({ status, data }) => ({ status, text: data });

await runPlan(
  {
    get: async (url) => read(await client.get(url)),
    post: async (url, body) => read(await client.post(url, body)),
    async stream(url, release) {
      const { status, data } = await client.get(url, { responseType: 'stream' });
      let text = '';
      let wanted = release;
      for await (const piece of data) {
        text += String(piece);
        if (wanted !== null) await client.get(wanted);
        wanted = null;
      }
      return { status, text };
    },
  },
  process.argv.slice(2),
);
process.exit(0);
