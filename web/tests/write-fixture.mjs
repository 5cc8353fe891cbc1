// Writes fixture.json from fixture.ts (`npm run fixture`); a unit test notices when it is forgotten.
import { writeFile } from 'node:fs/promises';
import { createServer } from 'vite';

const server = await createServer({ server: { middlewareMode: true }, appType: 'custom', logLevel: 'error' });
const { fixture } = await server.ssrLoadModule('/tests/fixture.ts');
await writeFile(new URL('fixture.json', import.meta.url), `${JSON.stringify(fixture())}\n`);
await server.close();
