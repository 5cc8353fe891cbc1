// Writes fixture.json and decision.json (`npm run fixture`); unit tests notice when it is forgotten.
import { writeFile } from 'node:fs/promises';
import { createServer } from 'vite';

const server = await createServer({ server: { middlewareMode: true }, appType: 'custom', logLevel: 'error' });
const write = (name, data) => writeFile(new URL(name, import.meta.url), `${JSON.stringify(data)}\n`);
await write('fixture.json', (await server.ssrLoadModule('/tests/fixture.ts')).fixture());
await write('decision.json', (await server.ssrLoadModule('/tests/decision.ts')).comparison());
await server.close();
