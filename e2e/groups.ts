/** What the tests of a group need to run: nothing, a control plane whose pods are played, or a whole node. */
export type Group = 'alone' | 'control-plane' | 'node';

/** What `node e2e/run.ts` runs when no files are given. */
export const ALL_FILES: readonly string[] = [
  'e2e/*.test.ts',
  'e2e/packaging/*.test.ts',
  'e2e/interop/*.test.ts',
  'e2e/fleet/*.test.ts',
  'e2e/node/*.test.ts',
  'e2e/clients/*.test.ts',
  'e2e/documents/*.test.ts',
  'e2e/browser/*.test.ts',
  'e2e/console/*.test.ts',
];

/** Those of packaging that ask an API server; the others look at what helm, promtool or the image make. */
const ASKS_API = /e2e\/packaging\/(chart|webhook)[^/]*$/;

/** The group of a test, by where its file stands. */
export function groupOf(file: string): Group {
  if (/e2e\/(node|clients|documents)\//.test(file)) return 'node';
  if (/e2e\/(interop|fleet|browser|console)\//.test(file)) return 'alone';
  return file.includes('e2e/packaging/') && !ASKS_API.test(file) ? 'alone' : 'control-plane';
}

/** What has to be built before, besides the sidecar: by what the files are about. */
export function needs(
  files: readonly string[],
): Readonly<Record<'interopTools' | 'helm' | 'image' | 'clients', boolean>> {
  const any = (pattern: RegExp): boolean => files.some((file) => pattern.test(file));
  return {
    interopTools: any(/e2e\/interop\//),
    helm: any(/e2e\/(packaging|node|clients|documents)\//),
    image: any(/e2e\/(node|clients|documents)\/|e2e\/packaging\/image/),
    // The sample of the pages has the same programs.
    clients: any(/e2e\/(clients|documents)\//),
  };
}
