"""The papers, one folder each: experiments, runs, claims, controls, figures."""
