import { mount } from 'svelte';
import App from './App.svelte';
import { embeddedReport } from './report';
import './style.css';

const target = document.getElementById('page');
if (!target) throw new Error('index.html has no element "page"');
try {
  const report = embeddedReport(document);
  target.replaceChildren();
  mount(App, { target, props: { report } });
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  target.textContent = `This page cannot be shown: ${text}. このページを表示できません。`;
}
