"""What was found and measured, for people and for other programs: text, HTML, SARIF, JUnit.

Decides nothing and runs no stage. What a stranger wrote is escaped here.
"""
